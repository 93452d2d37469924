"""Graph versions that results cite are kept as long as the results, in every database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from pydantic import SecretStr

from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.audit.recording import MOST_NAMED
from agentguard.bootstrap.app import App
from agentguard.bootstrap.opening import open_app
from agentguard.graph.errors import NoGraphError
from agentguard.graph.storage.dataset_deletion import DatasetCitedError, LiveDatasetError
from agentguard.graph.storage.store import GraphVersion
from agentguard.jobs.model import Job, UnknownJobError
from agentguard.kernel.clock import NS_PER_DAY, NS_PER_HOUR, NS_PER_SECOND
from agentguard.kernel.stable_json import stable_json
from agentguard.retention.expiry_clock import CONFIRMED
from agentguard.settings import Settings
from agentguard.simulation.service import KIND as SIMULATION
from tests.acting import TESTER
from tests.conformance.graphs import RUNS, version
from tests.databases import KINDS, empty_database

pytestmark = pytest.mark.anyio

START = 20_000 * NS_PER_DAY


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        self.now += 1_000_000
        return self.now


@pytest.fixture(params=KINDS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[PostgreSQL | None]:
    async with empty_database(request.param) as found:
        yield found


@asynccontextmanager
async def opened(
    folder: Path, server: PostgreSQL | None, clock: Clock, **more
) -> AsyncIterator[App]:
    url = SecretStr(server.url) if server else None
    async with open_app(Settings(data_dir=folder, database_url=url, **more), clock=clock) as app:
        yield app


async def put(app: App, dataset: str, clock: Clock) -> GraphVersion:
    stored = version(dataset, clock)
    await app.scans.publisher.publish(TESTER, stored, RUNS)
    return stored


async def finish(app: App, cited: str, clock: Clock, *, kind: str = SIMULATION) -> Job:
    """Run a job to its end, with a result that names a graph version."""
    job = await app.jobs.submit(TESTER, kind, {})
    now = clock()
    running = await app.jobs.store.claim(job.id, now=now, until=now + 30 * NS_PER_SECOND)
    assert running is not None
    assert await app.jobs.store.release(running.succeed({"graph_version": cited}, clock()))
    return job


async def kept(app: App, *versions: GraphVersion) -> list[bool]:
    found = []
    for each in versions:
        try:
            await app.graphs.get(each.id)
            await app.graphs.runs(each.id)
            found.append(True)
        except NoGraphError:
            found.append(False)
    return found


async def test_a_cited_version_and_its_runs_stay_until_the_result_goes(tmp_path, server):
    clock = Clock()
    async with opened(tmp_path, server, clock, versions_kept=1, jobs_days=10) as app:
        old, cited, newest = [await put(app, "a", clock) for _ in range(3)]
        job = await finish(app, cited.id, clock)
        scan = await finish(app, old.id, clock, kind="scan")
        clock.now += NS_PER_HOUR
        deleted = await app.retention.kept.expire(clock())
        while_cited = await kept(app, old, cited, newest)
        clock.now += 11 * NS_PER_DAY
        while_in_doubt = await app.retention.kept.expire(clock())
        clock.now += CONFIRMED
        deleted_later = await app.retention.kept.expire(clock())

        assert (deleted["graph_versions"], while_cited) == (1, [False, True, True])
        assert (while_in_doubt["jobs"], while_in_doubt["graph_versions"]) == (0, 0)
        assert (deleted_later["jobs"], deleted_later["graph_versions"]) == (2, 1)
        assert await kept(app, cited, newest) == [False, True]
        for gone in (job, scan):
            with pytest.raises(UnknownJobError):
                await app.jobs.get(gone.id)


async def test_a_result_about_a_version_that_is_gone_cites_nothing(tmp_path, server):
    clock = Clock()
    async with opened(tmp_path, server, clock) as app:
        await finish(app, "gone", clock)

        cited = app.retention.kept.unit_of_work.read(lambda stores: stores.citations.cited())
        assert await cited == frozenset()


async def test_citing_twice_and_withdrawing_once_leaves_the_citations_of_others(tmp_path, server):
    clock = Clock()
    async with opened(tmp_path, server, clock) as app:
        stored = await put(app, "a", clock)
        unit_of_work = app.retention.kept.unit_of_work

        async def cite(stores) -> frozenset[str]:
            for by in ("1", "1", "2"):
                assert await stores.citations.cite(stored.id, "incident", by)
            await stores.citations.withdraw("incident", ["1"])
            await stores.citations.withdraw("job", ["2"])
            return await stores.citations.cited()

        assert await unit_of_work.run(cite) == {stored.id}
        await unit_of_work.run(lambda stores: stores.citations.withdraw("incident", ["2"]))
        assert await unit_of_work.read(lambda stores: stores.citations.cited()) == frozenset()


async def test_purge_deletes_every_kind_but_keeps_cited_versions(tmp_path, server):
    clock = Clock()
    async with opened(tmp_path, server, clock) as app:
        old, cited = [await put(app, "a", clock) for _ in range(2)]
        clock.now += NS_PER_HOUR
        before = clock()
        await finish(app, cited.id, clock)
        newer = await put(app, "a", clock)
        deleted = await app.retention.purge(TESTER, before)
        left = await kept(app, old, cited, newer)
        deleted_too = await app.retention.purge(TESTER, before, include_cited=True)

        assert (deleted["graph_versions"], deleted["jobs"]) == (1, 0)
        assert left == [False, True, True]
        assert deleted_too["graph_versions"] == 1
        assert await kept(app, cited, newer) == [False, True]


async def test_a_dataset_goes_as_a_whole_unless_it_is_live_unknown_or_cited(tmp_path, server):
    clock = Clock()
    async with opened(tmp_path, server, clock) as app:
        cited, other, live = [await put(app, name, clock) for name in ("a", "b", "live")]
        await put(app, "a", clock)
        await finish(app, cited.id, clock)
        with pytest.raises(DatasetCitedError, match="cite 1 of its versions"):
            await app.datasets.delete(TESTER, "a")
        with pytest.raises(LiveDatasetError, match="purge --before"):
            await app.datasets.delete(TESTER, "live")
        with pytest.raises(NoGraphError):
            await app.datasets.delete(TESTER, "c")

        assert await kept(app, cited, other, live) == [True, True, True]
        assert await app.datasets.delete(TESTER, "a", include_cited=True) == 2
        assert [each.name for each in await app.graphs.datasets()] == ["live", "b"]


async def test_datasets_state_their_versions_and_bytes(tmp_path, server):
    clock = Clock()
    async with opened(tmp_path, server, clock) as app:
        for name in ("a", "b", "a"):
            await put(app, name, clock)
        found = {each.name: each for each in await app.graphs.datasets()}
        usage = (await app.retention.usage())["graph_versions"]

        assert {name: each.versions for name, each in found.items()} == {"a": 2, "b": 1}
        assert found["a"].bytes == 2 * found["b"].bytes > 0
        assert (usage.count, usage.bytes) == (3, 3 * found["b"].bytes)
        assert usage.oldest is not None
        assert START < usage.oldest <= clock.now


async def test_a_dataset_of_thousands_of_versions_goes_and_leaves_one_entry(tmp_path, server):
    clock = Clock()
    async with opened(tmp_path, server, clock) as app:
        versions = [version("a", clock) for _ in range(3_000)]
        document = stable_json(versions[0].graph)

        async def add(stores) -> None:
            for each in versions:
                await stores.graphs.add(each, document)

        await app.retention.kept.unit_of_work.run(add)
        assert await app.datasets.delete(TESTER, "a") == 3_000

        unsequenced = await app.retention.kept.unit_of_work.read(
            lambda stores: stores.audit.unsequenced(10)
        )
        told = orjson.loads(unsequenced[-1].payload or b"")["graph_versions"]
        assert (told["number"], len(told["ids"])) == (3_000, MOST_NAMED)
