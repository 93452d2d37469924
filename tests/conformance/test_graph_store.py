"""Graphs are stored whole or not at all, wherever they are stored.

Alone, beside others, and through crashes.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.errors import DamagedRunsError, NoGraphError, VersionExistsError
from agentguard.graph.model import Component, Graph
from agentguard.graph.runs import CALL_SCHEMA, RUN_SCHEMA, calls_of_trace, no_runs
from agentguard.graph.storage.history import KEPT_DAYS, History
from agentguard.graph.storage.retention import HistoryRetention
from agentguard.graph.storage.store import GRACE, GraphVersion
from agentguard.ingest.payloads import DocumentPayload
from agentguard.kernel.clock import NS_PER_DAY, NS_PER_SECOND, system_clock
from agentguard.kernel.errors import StorageFullError
from agentguard.kernel.ids import sortable_id
from agentguard.scan.pipeline import scan
from tests.cli.traces import trace
from tests.conformance.graph_stores import BACKENDS, DIED, Backend, Stored, dying_at
from tests.conformance.graphs import BASIS, RUNS, SteppingClock, check_whole, line, version
from tests.discovery.recordings import NAMES, dialects, graph
from tests.forking import CONTEXT
from tests.graph.handmade import shop
from tests.simulation.worlds import call, needs, record, workflow, world

pytestmark = pytest.mark.anyio

HOUR = 3600 * NS_PER_SECOND


@pytest.fixture(
    params=[
        "sqlite",
        "postgresql",
        pytest.param("neo4j", marks=pytest.mark.xdist_group("neo4j")),
    ]
)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    with BACKENDS[request.param](tmp_path) as empty:
        yield empty


async def test_what_is_put_is_read_back_by_another_process_of_later(backend: Backend):
    async with backend.opened() as store:
        put = version("shop", SteppingClock())
        await store.put(put, RUNS)
        assert await store.newest() == put
    async with backend.opened() as store:
        assert await store.newest("shop") == put == await store.newest() == await store.get(put.id)
        read = await store.runs(put.id)

    assert read.runs.equals(RUNS.runs)
    assert read.runs.schema.equals(RUN_SCHEMA)
    assert read.calls.schema.equals(CALL_SCHEMA)


async def test_every_recording_comes_back_as_it_was(backend: Backend):
    clock = SteppingClock()
    graphs = [*map(graph, NAMES), shop(), Graph()]
    async with backend.opened() as store:
        for each in graphs:
            await store.put(version("all", clock, each), no_runs())
            async with backend.opened() as other:
                assert (await other.newest("all")).graph == each


async def test_newest_is_what_was_written_last_whatever_the_clock_says(backend: Backend):
    clock = SteppingClock()
    async with backend.opened() as store:
        first = version("a", clock)
        clock.now = 10_000
        second, third = version("b", clock), version("a", clock)
        for each in (first, second, third):
            await store.put(each, no_runs())

        assert (await store.newest()).id == (await store.newest("a")).id == third.id
        assert (await store.newest("b")).id == second.id
        assert [
            (d.name, d.newest_version, d.created_at, d.components, d.dependencies)
            for d in await store.datasets()
        ] == [
            ("a", third.id, third.created_at, 2, 1),
            ("b", second.id, second.created_at, 2, 1),
        ]


async def test_what_is_not_there_is_said_so(backend: Backend):
    async with backend.opened() as store:
        assert await store.datasets() == ()
        assert await store.history() == History()
        for put in (None, version("a", SteppingClock())):
            if put is not None:
                await store.put(put, no_runs())
            for question in (store.newest("x"), store.get("x"), store.runs("x")):
                with pytest.raises(NoGraphError, match="'x'"):
                    await question


@pytest.mark.parametrize("odd", ["\0", "a\0b", "\ud800"])
async def test_a_name_that_nothing_can_have_is_found_nowhere(backend: Backend, odd: str):
    async with backend.opened() as store:
        await store.put(version("a", SteppingClock()), no_runs())
        with pytest.raises(NoGraphError):
            await store.newest(odd)
        with pytest.raises(NoGraphError):
            await store.get(odd)


@pytest.mark.parametrize("character", ["\N{ROBOT FACE}", "\\"])
async def test_a_component_with_a_very_long_name_does_not_keep_its_graph_from_being_stored(
    backend: Backend, character: str
):
    long = Component(
        "agent:" + character * 765,
        ComponentKind.AGENT,
        "long",
        BASIS,
        (),
        first_seen=1,
        last_seen=2,
    )
    wanted = version("a", SteppingClock(), Graph((*line(2).components, long)))
    async with backend.opened() as store:
        await store.put(wanted, no_runs())

        assert await store.newest() == wanted


async def test_an_empty_store_has_no_newest_graph(backend: Backend):
    async with backend.opened() as store:
        with pytest.raises(NoGraphError, match="There is no graph yet"):
            await store.newest()


async def test_a_taken_id_is_refused_and_changes_nothing(backend: Backend):
    async with backend.opened() as store:
        put = version("a", SteppingClock())
        await store.put(put, RUNS)
        with pytest.raises(VersionExistsError):
            await store.put(replace(put, dataset="b", graph=shop()), no_runs())

        assert [dataset.name for dataset in await store.datasets()] == ["a"]
        assert await store.newest() == put
        await check_whole(store, put)


async def test_the_calls_of_one_trace_are_those_of_all_runs(backend: Backend):
    runs = scan([DocumentPayload("t", trace(number)) for number in range(3)], dialects()).runs
    async with backend.opened() as store:
        put = version("shop", SteppingClock())
        await store.put(put, runs)
        for trace_id in [*dict.fromkeys(runs.calls.column("trace_id").to_pylist()), "unknown"]:
            read = await store.calls_of_trace(put.id, trace_id)
            assert read.equals(calls_of_trace([runs.calls], trace_id))
            assert len(read) == 4 * (trace_id != "unknown")


async def test_an_id_that_only_the_runs_do_not_know_is_refused_too(backend: Backend):
    async with backend.opened() as store:
        put = version("a", SteppingClock())
        await store.put(put, RUNS)
        for path in backend.folder.glob("*"):
            path.unlink()
        with pytest.raises(VersionExistsError):
            await store.put(replace(put, dataset="b"), RUNS)

        assert list(backend.folder.glob("*")) == []
        assert await store.newest() == put


async def test_old_versions_go_with_their_runs_but_not_at_once(backend: Backend):
    clock = SteppingClock()
    async with backend.opened(kept=2, clock=clock) as store:
        old = [version("a", clock) for _ in range(5)]
        other = version("b", clock)
        for each in (other, *old):
            await store.put(each, RUNS)
        assert await store.expire(clock.now) == ()
        for each in old:
            await check_whole(store, each)  # who just found a version can still read it
        clock.now += 2 * GRACE
        newest = version("a", clock)
        await store.put(newest, RUNS)
        assert await store.expire(clock.now) == tuple(each.id for each in old[:-1])

        kept = {path.name.split(".")[0] for path in backend.folder.iterdir()}
        assert kept == {other.id, old[-1].id, newest.id}
        for gone in old[:-1]:
            for question in (store.get(gone.id), store.runs(gone.id)):
                with pytest.raises(NoGraphError):
                    await question
        for there in (other, old[-1], newest):
            await check_whole(store, there)


async def test_files_that_a_dead_writer_left_are_swept_after_an_hour(backend: Backend):
    now = system_clock()
    async with backend.opened(clock=lambda: now + HOUR // 2) as store:
        mine = version("a", lambda: now)
        await store.put(mine, RUNS)
        (backend.folder / "left.runs.parquet").write_bytes(b"")
        (backend.folder / "left.calls.parquet.draft").write_bytes(b"")
        assert await store.sweep() == 0
    async with backend.opened(clock=lambda: now + 2 * HOUR) as store:
        assert await store.sweep() == 2
        assert await store.sweep() == 0
        await check_whole(store, mine)


async def test_a_put_whose_runs_cannot_be_written_leaves_nothing(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
):
    def full(*_args, **_how):
        raise OSError(errno.ENOSPC, "No space left on device")

    async with backend.opened() as store:
        await store.put(before := version("a", SteppingClock()), RUNS)
        files = set(backend.folder.iterdir())
        with monkeypatch.context() as patched:
            patched.setattr("agentguard.adapters.files.parquet.pq.write_table", full)
            with pytest.raises(StorageFullError, match="No space"):
                await store.put(put := version("b", SteppingClock()), RUNS)

        assert set(backend.folder.iterdir()) == files
        assert [dataset.newest_version for dataset in await store.datasets()] == [before.id]
        await store.put(put, RUNS)
        assert await store.newest() == put


async def test_damaged_runs_are_named(backend: Backend):
    async with backend.opened() as store:
        await store.put(stored := version("a", SteppingClock()), RUNS)
        (path,) = backend.folder.rglob(f"{stored.id}.runs.parquet")
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

        with pytest.raises(DamagedRunsError, match=stored.id):
            await store.runs(stored.id)


async def test_sweeping_disturbs_no_writer(backend: Backend):
    async with (
        backend.opened(clock=system_clock) as store,
        backend.opened(clock=system_clock) as other,
    ):
        put = [version("a", system_clock) for _ in range(6)]
        for each in put:
            _, swept = await asyncio.gather(store.put(each, RUNS), other.sweep())
            assert swept == 0
        for each in put:
            await check_whole(other, each)


async def test_a_store_without_versions_sweeps_nothing(backend: Backend):
    backend.folder.mkdir()
    (backend.folder / "of-another-database.runs.parquet").write_bytes(b"")
    async with backend.opened(clock=lambda: system_clock() + 2 * HOUR) as store:
        assert await store.sweep() == 0


# History.


class Noon(SteppingClock):
    def __init__(self) -> None:
        super().__init__(20_000 * NS_PER_DAY)


def sighted(name: str, first: int, last: int, **more) -> Graph:
    return Graph(
        components=(
            Component(
                name, ComponentKind.AGENT, name, BASIS, (), first_seen=first, last_seen=last, **more
            ),
        )
    )


async def test_the_history_outlives_versions_and_spans_all_datasets(backend: Backend):
    clock = Noon()
    early, late = 19_990 * NS_PER_DAY + 123_456_000, 19_999 * NS_PER_DAY
    async with backend.opened(kept=1, clock=clock) as store:
        await store.put(
            version(
                "live", clock, sighted("agent:a", late, late, spellings=("A",), environment="prod")
            ),
            no_runs(),
        )
        await store.put(
            version("scan", clock, sighted("agent:a", early, early + 1_000, spellings=("A", "Á"))),
            no_runs(),
        )
        await store.put(version("live", clock, sighted("agent:b", late, late)), RUNS)
        clock.now += HOUR
        await store.put(version("live", clock, sighted("agent:b", late, late + 5_000)), no_runs())
        assert len(await store.expire(clock.now)) == 2

    async with backend.opened(clock=clock) as store:
        history = await store.history()

    assert [(s.id, s.kind, s.first_seen, s.last_seen) for s in history.components] == [
        ("agent:a", ComponentKind.AGENT, early, late),
        ("agent:b", ComponentKind.AGENT, late, late + 5_000),
    ]
    assert history.components[0].spellings == ("A", "Á")
    assert history.days == (19_990, 19_999)


async def test_what_was_last_seen_over_a_year_ago_is_forgotten(backend: Backend):
    clock = Noon()
    oldest = 20_000 - KEPT_DAYS
    async with backend.opened(clock=clock) as store:
        for day in (oldest - 1, oldest):
            await store.put(
                version("old", clock, sighted(f"agent:{day}", day * NS_PER_DAY, day * NS_PER_DAY)),
                no_runs(),
            )
        kept = HistoryRetention()
        gone = await store.unit_of_work.run(lambda stores: kept.expire(stores, clock()))
        history = await store.history()

    assert gone == (f"agent:{oldest - 1}",)
    assert [s.id for s in history.components] == [f"agent:{oldest}"]
    assert history.days == (oldest,)


async def test_what_nothing_names_or_times_leaves_no_sighting(backend: Backend):
    clock = SteppingClock()
    async with backend.opened() as store:
        await store.put(
            version("one", clock, sighted("agent:?", 1, NS_PER_DAY * 5, identified=False)),
            no_runs(),
        )
        await store.put(version("two", clock, sighted("agent:x", 0, 0)), no_runs())

        assert await store.history() == History()


# Beside others.


async def test_many_writers_of_several_processes_lose_nothing(backend: Backend):
    async def write(dataset: str, count: int) -> list[GraphVersion]:
        async with backend.opened() as store:
            put = [
                version(
                    dataset, system_clock, sighted(f"agent:{dataset}{n}", n + 1, NS_PER_DAY + n)
                )
                for n in range(count)
            ]
            for each in put:
                await store.put(each, RUNS)
            return put

    written = dict(
        zip("abcd", await asyncio.gather(*(write(name, 6) for name in "abcd")), strict=True)
    )

    async with backend.opened() as store:
        assert {dataset.name for dataset in await store.datasets()} == set("abcd")
        for dataset, put in written.items():
            assert await store.newest(dataset) == put[-1]
            for each in put:
                await check_whole(store, each)
        assert Counter(s.name[6] for s in (await store.history()).components) == dict.fromkeys(
            "abcd", 6
        )
        assert (await store.newest()).id == (await store.datasets())[0].newest_version


async def test_of_two_that_put_one_id_at_once_one_wins(backend: Backend):
    put = version("a", SteppingClock())
    async with backend.opened() as one, backend.opened() as other:
        outcomes = await asyncio.gather(
            one.put(put, RUNS), other.put(replace(put, dataset="b"), RUNS), return_exceptions=True
        )
        newest = await one.newest()

    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        VersionExistsError.__name__,
        "bool",
    ]
    assert newest == replace(put, dataset="ab"[outcomes.index(True)])


async def test_readers_see_whole_versions_that_never_go_back(backend: Backend):
    clock = SteppingClock()
    put = [
        version("a", clock, line(length)) for length in (300, 2, 120, 1, 250, 60, 200, 3, 150, 10)
    ]
    order = {each.id: place for place, each in enumerate(put)}
    written = asyncio.Event()

    async def read(store: Stored) -> int:
        seen = 0
        reads = 0
        while not written.is_set() or not reads:
            found = await store.newest()
            assert found == put[order[found.id]]
            assert order[found.id] >= seen
            seen = order[found.id]
            (dataset,) = await store.datasets()
            assert order[dataset.newest_version] >= seen
            assert (dataset.components, dataset.dependencies) == _size(
                put[order[dataset.newest_version]].graph
            )
            await check_whole(store, found)
            store.recent.forget([found.id])  # so that every look goes to the server
            reads += 1
        return reads

    async with backend.opened() as writer, backend.opened() as one, backend.opened() as other:
        await writer.put(put[0], RUNS)
        async with asyncio.TaskGroup() as tasks:
            for store in (one, one, other, other):
                tasks.create_task(read(store))
            for each in put[1:]:
                await writer.put(each, RUNS)
            written.set()


def _size(found: Graph) -> tuple[int, int]:
    return len(found.components), len(found.dependencies)


async def _end(process) -> int:
    await asyncio.to_thread(process.join, 120)
    return process.exitcode


def _put_many(backend: Backend, dataset: str, count: int) -> None:
    async def put() -> None:
        async with backend.opened(clock=system_clock) as store:
            for _ in range(count):
                await store.put(version(dataset, system_clock), RUNS)

    asyncio.run(put())


async def test_processes_write_beside_each_other_from_nothing_on(backend: Backend):
    processes = [
        CONTEXT.Process(target=_put_many, args=(backend, name, 15)) for name in ("a", "b", "c")
    ]
    for process in processes:
        process.start()

    assert [await _end(process) for process in processes] == [0, 0, 0]
    async with backend.opened() as store:
        assert {dataset.name for dataset in await store.datasets()} == {"a", "b", "c"}
        for name in ("a", "b", "c"):
            await check_whole(store, await store.newest(name))


# Through crashes.


def _put_and_die(backend: Backend, put: GraphVersion, step: int) -> None:
    async def run() -> None:
        async with backend.opened(clock=system_clock, kept=1, step=dying_at(step)) as store:
            await store.put(put, RUNS)
            os._exit(0)

    asyncio.run(run())


@pytest.mark.parametrize(
    "backend",
    [
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.matrix),
        pytest.param("neo4j", marks=[pytest.mark.matrix, pytest.mark.xdist_group("neo4j")]),
    ],
    indirect=True,
)
async def test_a_writer_that_dies_at_any_step_leaves_all_of_a_version_or_nothing(backend: Backend):
    long_ago = system_clock() - 2 * HOUR
    before = GraphVersion(sortable_id(long_ago), "a", long_ago, shop())
    async with backend.opened(clock=system_clock, kept=1) as store:
        await store.put(before, RUNS)
    died_before = died_after = 0
    for step in range(1_000):
        at = long_ago + (step + 1) * 1_000
        put = GraphVersion(sortable_id(at), "a", at, line(step % 7 + 1, f"{step}-"))
        process = CONTEXT.Process(target=_put_and_die, args=(backend, put, step))
        process.start()
        code = await _end(process)
        async with backend.opened(clock=system_clock) as store:
            newest = await store.newest()
            assert newest in (before, put)
            await check_whole(store, newest)
        await backend.check(newest)
        assert code in (0, DIED)
        if code == 0:
            break
        died_before, died_after = died_before + (newest == before), died_after + (newest == put)
        before = newest

    assert newest == put
    assert died_before > 3
    assert died_after > 0
    async with backend.opened(clock=lambda: system_clock() + 2 * HOUR, kept=1) as store:
        await store.sweep()
        await store.put(last := version("a", system_clock), RUNS)
        await store.expire(system_clock() + 2 * HOUR)
    assert {path.name.split(".")[0] for path in backend.folder.iterdir()} == {last.id}


def _put_and_be_killed(backend: Backend, put: GraphVersion, done) -> None:
    async def run() -> None:
        async with backend.opened() as store:
            await store.put(put, RUNS)
            done.set()
            await asyncio.sleep(600)

    asyncio.run(run())


async def test_what_put_returned_for_is_there_when_its_writer_is_killed(backend: Backend):
    done = CONTEXT.Event()
    put = version("a", SteppingClock())
    process = CONTEXT.Process(target=_put_and_be_killed, args=(backend, put, done))
    process.start()
    assert await asyncio.to_thread(done.wait, 120)
    process.kill()
    await _end(process)

    async with backend.opened() as store:
        assert await store.newest() == put
        await check_whole(store, put)


async def test_a_version_knows_what_those_before_it_showed_of_failures(backend: Backend):
    shows = world(needs("A", "B"), workflows=[workflow("w", "A")])
    failing = record([("w", call("A", call("B", failed=True)))] * 2)
    clock = SteppingClock()
    async with backend.opened() as store:
        await store.put(version("shop", clock, shows), failing)
        await store.put(other := version("bank", clock, shows), record([]))
        await store.put(second := version("shop", clock, shows), record([]))
    async with backend.opened() as store:
        await store.put(third := version("shop", clock, shows), record([]))

        assert (await store.runs(other.id)).failures.num_rows == 0
        for each in (second, third):
            [known] = (await store.runs(each.id)).failures.to_pylist()
            assert known == {
                "source": "A",
                "target": "B",
                "returns": True,
                "hour": 0,
                "survived": 2,
                "not_survived": 0,
            }


async def test_lost_failures_of_earlier_windows_keep_nothing_from_being_stored(
    backend: Backend,
):
    clock = SteppingClock()
    async with backend.opened() as store:
        await store.put(damaged := version("shop", clock), no_runs())
        (backend.folder / f"{damaged.id}.failures.parquet").write_bytes(b"PAR1, no more")
        await store.put(old := version("shop", clock), no_runs())
        (backend.folder / f"{old.id}.failures.parquet").unlink()  # as earlier versions wrote it
        await store.put(new := version("shop", clock), no_runs())

        assert (await store.runs(old.id)).failures.num_rows == 0
        assert (await store.runs(new.id)).failures.num_rows == 0
