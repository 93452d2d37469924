from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.graphs import SqlGraphStore
from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.errors import NoGraphError
from agentguard.graph.history import History
from agentguard.graph.model import Basis, Component, Coverage, Dependency, Evidence, EvidenceReason, Graph
from agentguard.graph.runs import CALL_SCHEMA, RUN_SCHEMA, Runs, no_runs
from agentguard.graph.store import GraphVersion
from agentguard.kernel.clock import NS_PER_SECOND
from agentguard.kernel.ids import sortable_id

pytestmark = pytest.mark.anyio

BASIS = Basis("explicit", "OpenTelemetry gen_ai 1.37", 0.875)
EVIDENCE = (Evidence("ab" * 16, "cd" * 8, 2**62, EvidenceReason.SLOWEST),)
GRAPH = Graph(
    components=tuple(
        Component(name, ComponentKind.AGENT, name, BASIS, EVIDENCE, spellings=("Á\n", '"')) for name in ("agent:a", "agent:b")
    ),
    dependencies=(Dependency("agent:a", "agent:b", DependencyType.HANDOFF, BASIS, EVIDENCE, latency=((1, 2), (7, 1)), cost_usd=0.1 + 0.2),),
    coverage=Coverage(spans=2**40, refused={"not-json": 1}),
)
RUNS = Runs(
    pa.Table.from_pylist([{"run_id": "t", "workflow": "w", "failed": False, "start": 1, "duration": 2}], schema=RUN_SCHEMA),
    CALL_SCHEMA.empty_table(),
)


class Clock:
    now = 1_000 * NS_PER_SECOND

    def __call__(self) -> int:
        self.now += NS_PER_SECOND
        return self.now


@asynccontextmanager
async def opened(directory: Path, *, kept: int = 20, clock: Callable[[], int] | None = None):
    async with open_database(directory) as base:
        yield SqlGraphStore(base, directory / "graphs", clock or Clock(), kept)


def version(dataset: str, clock: Clock, graph: Graph = GRAPH) -> GraphVersion:
    now = clock()
    return GraphVersion(sortable_id(now), dataset, now, graph)


async def test_what_is_put_is_read_back_by_another_process_of_later(tmp_path: Path):
    clock = Clock()
    async with opened(tmp_path) as store:
        put = version("shop", clock)
        await store.put(put, RUNS)
    async with opened(tmp_path) as store:
        assert await store.newest("shop") == put == await store.newest() == await store.get(put.id)
        read = await store.runs(put.id)

    assert read.runs.equals(RUNS.runs)
    assert read.runs.schema.equals(RUN_SCHEMA)
    assert read.calls.schema.equals(CALL_SCHEMA)


async def test_newest_is_what_was_written_last_whatever_the_clock_says(tmp_path: Path):
    clock = Clock()
    async with opened(tmp_path) as store:
        first = version("a", clock)
        clock.now = 10
        second, third = version("b", clock), version("a", clock)
        for each in (first, second, third):
            await store.put(each, no_runs())

        assert (await store.newest()).id == (await store.newest("a")).id == third.id
        assert (await store.newest("b")).id == second.id
        assert [(d.name, d.newest_version, d.components, d.dependencies) for d in await store.datasets()] == [
            ("a", third.id, 2, 1),
            ("b", second.id, 2, 1),
        ]


async def test_what_is_not_there_is_said_so(tmp_path: Path):
    async with opened(tmp_path) as store:
        for question in (store.newest(), store.newest("x"), store.get("x"), store.runs("x")):
            with pytest.raises(NoGraphError):
                await question


async def test_old_versions_go_with_their_files_but_not_at_once(tmp_path: Path):
    clock = Clock()
    async with opened(tmp_path, kept=2, clock=clock) as store:
        old = [version("a", clock) for _ in range(5)]
        other = version("b", clock)
        for each in (other, *old):
            await store.put(each, RUNS)
        for each in old:
            await store.runs(each.id)  # who just found a version can still read it
        clock.now += 120 * NS_PER_SECOND
        newest = version("a", clock)
        await store.put(newest, RUNS)

        kept = {path.name.split(".")[0] for path in (tmp_path / "graphs").iterdir()}
        assert kept == {other.id, old[-1].id, newest.id}
        with pytest.raises(NoGraphError):
            await store.get(old[0].id)
        assert (await store.newest("a")).id == newest.id


async def test_files_without_a_row_are_swept(tmp_path: Path):
    async with opened(tmp_path, clock=lambda: 2**62) as store:
        await store.put(GraphVersion("mine", "a", 1, GRAPH), RUNS)
        (tmp_path / "graphs" / "left.runs.parquet").write_bytes(b"")
        (tmp_path / "graphs" / "left.calls.parquet.draft").write_bytes(b"")

        assert await store.sweep() == 2
        assert (await store.runs("mine")).runs.num_rows == 1


async def test_a_row_that_cannot_be_written_leaves_no_files(tmp_path: Path):
    async with opened(tmp_path) as store:
        put = version("a", Clock())
        await store.put(put, RUNS)
        beside = replace(put, dataset="b")
        with pytest.raises(Exception, match="UNIQUE"):
            await store.put(beside, RUNS)

        assert (await store.newest()).dataset == "a"


def _put_many(directory: Path, dataset: str, count: int) -> None:
    async def put() -> None:
        clock = Clock()
        async with opened(directory, clock=clock) as store:
            for _ in range(count):
                await store.put(version(dataset, clock), RUNS)

    asyncio.run(put())


async def test_two_processes_write_beside_each_other_from_an_empty_folder_on(tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_put_many, args=(tmp_path, name, 15)) for name in ("a", "b")]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join, 120)

    assert [process.exitcode for process in processes] == [0, 0]
    async with opened(tmp_path) as store:
        assert {dataset.name for dataset in await store.datasets()} == {"a", "b"}
        for name in ("a", "b"):
            found = await store.newest(name)
            assert (await store.runs(found.id)).runs.equals(RUNS.runs)


DAY = 24 * 3600 * NS_PER_SECOND


class Noon(Clock):
    now = 20_000 * DAY


def sighted(name: str, first: int, last: int, **more) -> Graph:
    return Graph(components=(Component(name, ComponentKind.AGENT, name, BASIS, (), first_seen=first, last_seen=last, **more),))


async def test_the_history_outlives_versions_and_spans_all_datasets(tmp_path):
    clock = Noon()
    early, late = 19_990 * DAY, 19_999 * DAY
    async with opened(tmp_path, kept=1, clock=clock) as store:
        await store.put(version("live", clock, sighted("agent:a", late, late, spellings=("A",), environment="prod")), no_runs())
        await store.put(version("scan", clock, sighted("agent:a", early, early + 1_000, spellings=("A", "Á"))), no_runs())
        await store.put(version("live", clock, sighted("agent:b", late, late)), RUNS)
        clock.now += 3600 * NS_PER_SECOND
        await store.put(version("live", clock, sighted("agent:b", late, late + 5_000)), no_runs())

    async with opened(tmp_path, clock=clock) as store:
        history = await store.history()

    assert [(s.id, s.kind, s.first_seen, s.last_seen) for s in history.sightings] == [
        ("agent:a", ComponentKind.AGENT, early, late),
        ("agent:b", ComponentKind.AGENT, late, late + 5_000),
    ]
    assert (history.sightings[0].environment, history.sightings[0].spellings) == ("prod", ("A", "Á"))
    assert history.days == (19_990, 19_999)


async def test_what_was_last_seen_over_a_year_ago_is_forgotten(tmp_path):
    clock = Noon()
    async with opened(tmp_path, clock=clock) as store:
        await store.put(version("old", clock, sighted("agent:a", 19_000 * DAY, 19_000 * DAY)), no_runs())

        assert (await store.history()) == History()


async def test_what_nothing_names_or_times_leaves_no_sighting(tmp_path):
    async with opened(tmp_path) as store:
        await store.put(version("one", Clock(), sighted("agent:?", 1, DAY * 5, identified=False)), no_runs())
        await store.put(version("two", Clock(), sighted("agent:x", 0, 0)), no_runs())

        assert (await store.history()) == History()
