"""Every use case that changes state is one transaction: if its end fails, nothing of it is left.

`USE_CASES` lists them all; a public method that takes an actor and is not in it fails a test.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import pkgutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from agentguard.accounts.principal import (
    Permission,
    PermissionDeniedError,
    Principal,
    PrincipalKind,
)
from agentguard.adapters.files.runs import FileRunStore
from agentguard.adapters.sql.database import Database, open_database
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.adapters.sql.tables import metadata
from agentguard.bootstrap.app import App
from agentguard.bootstrap.opening import open_app
from agentguard.graph.dataset_deletion import DatasetService
from agentguard.graph.publishing import GraphPublisher
from agentguard.ingest.sources import read_stream
from agentguard.jobs.model import TooManyJobsError
from agentguard.jobs.queue import Jobs
from agentguard.kernel.clock import NS_PER_HOUR, system_clock
from agentguard.retention.service import RetentionService
from agentguard.scan.jobs import KIND
from agentguard.scan.service import ScanService
from agentguard.settings import Settings
from tests.acting import TESTER
from tests.conformance.graphs import RUNS, version
from tests.databases import KINDS, empty_database
from tests.jobs.uploads import spans

pytestmark = pytest.mark.anyio


class FailedAtTheEndError(Exception):
    """The last statement of a transaction failed."""


@dataclass(frozen=True)
class Opened:
    """An application, and its database as people could see it."""

    app: App
    database: Database
    directory: Path

    async def content(self) -> dict[str, list[tuple[Any, ...]]]:
        async with self.database.reading() as connection:
            return {
                table.name: [tuple(row) for row in await connection.execute(select(table))]
                for table in metadata.sorted_tables
            }

    def files(self) -> set[str]:
        return {path.name for path in self.directory.rglob("*.parquet*")}


@pytest.fixture(params=KINDS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[PostgreSQL | None]:
    async with empty_database(request.param) as found:
        yield found


@pytest.fixture
async def opened(server: PostgreSQL | None, tmp_path: Path) -> AsyncIterator[Opened]:
    settings = Settings(data_dir=tmp_path, database_url=SecretStr(server.url) if server else None)
    async with open_app(settings) as app, open_database(tmp_path, server) as database:
        yield Opened(app, database, tmp_path)


def file_of(opened: Opened) -> Path:
    path = opened.directory / "traces.json"
    path.write_bytes(spans())
    return path


async def scan(opened: Opened, actor: Principal) -> None:
    with file_of(opened).open("rb") as stream:
        await opened.app.scans.scan(actor, read_stream(stream, "x"), dataset="new")


async def scan_file(opened: Opened, actor: Principal) -> None:
    await opened.app.scans.scan_file(actor, file_of(opened), "x", dataset="new")


async def keep_once(opened: Opened, actor: Principal) -> None:
    found = await opened.app.scans.read_file(file_of(opened), "x")
    await opened.app.scans.keep_once(actor, found, "new", ["job-1"])


async def publish(opened: Opened, actor: Principal) -> None:
    await opened.app.scans.publisher.publish(actor, version("new", system_clock), RUNS)


async def submit(opened: Opened, actor: Principal) -> None:
    await opened.app.jobs.submit(actor, KIND, {"file": "x"})


async def delete_dataset(opened: Opened, actor: Principal) -> None:
    await opened.app.datasets.delete(actor, "new")


async def purge(opened: Opened, actor: Principal) -> None:
    await opened.app.retention.purge(actor, system_clock() + NS_PER_HOUR)


USE_CASES: dict[Callable[..., Any], Callable[[Opened, Principal], Awaitable[None]]] = {
    ScanService.scan: scan,
    ScanService.scan_file: scan_file,
    ScanService.keep_once: keep_once,
    GraphPublisher.publish: publish,
    Jobs.submit: submit,
    DatasetService.delete: delete_dataset,
    RetentionService.purge: purge,
}
"""Every use case that changes state, and how the test calls it."""

DELETING = (delete_dataset, purge)
"""Use cases that nothing follows where there is no projection."""

WITHOUT_CHANGES = {
    "PlaybookService.resolve",
    "PlaybookService.write",
    "SimulationService.resolve",
    "SimulationService.result",
    "SimulationService.simulate",
}
"""Use cases that take an actor because they cost much, and change nothing."""

SUBMITTING = {"PlaybookService.submit", "SimulationService.submit"}
"""Use cases that change state by nothing but `Jobs.submit`."""


def acting() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every public method of AgentGuard's classes that takes an actor, with its name."""
    for stage in (
        "scan",
        "graph",
        "jobs",
        "analysis",
        "simulation",
        "playbooks",
        "catalog",
        "retention",
    ):
        package = importlib.import_module(f"agentguard.{stage}")
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            for _, kind in inspect.getmembers(module, inspect.isclass):
                if kind.__module__ != module.__name__ or getattr(kind, "_is_protocol", False):
                    continue
                for name, method in inspect.getmembers(kind, inspect.isfunction):
                    if not name.startswith("_") and "actor" in inspect.signature(method).parameters:
                        yield f"{kind.__name__}.{name}", method


async def steps_of_jobs(opened: Opened) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Return the steps of a job's life, which no principal calls, each ready to be made."""
    jobs = opened.app.jobs
    waiting = await jobs.submit(TESTER, KIND, {"file": "a"})
    due = await jobs.submit(TESTER, KIND, {"file": "b"})
    now = system_clock()
    running = await jobs.store.claim(due.id, now=now, until=now + 2 * 10**9)
    assert running is not None
    return {
        "claim": lambda: jobs.store.claim(waiting.id, now=now + 10**9, until=now + 2 * 10**9),
        "extend": lambda: jobs.store.extend(running, until=now + 9 * 10**9, done=3),
        "release": lambda: jobs.store.release(running.succeed({}, now)),
        "postpone": lambda: jobs.store.postpone(waiting, now + 9 * 10**9),
    }


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what lets every transaction fail once its last statement has run."""

    def start() -> None:
        write = Database.write

        async def failing_write(self: Database, work: Callable[[Any], Awaitable[Any]]) -> Any:
            async def and_fail(connection: Any) -> Any:
                await work(connection)
                raise FailedAtTheEndError

            return await write(self, and_fail)

        monkeypatch.setattr(Database, "write", failing_write)

    return start


def test_no_use_case_is_missing_from_the_list():
    named = {
        name: method
        for name, method in acting()
        if name not in WITHOUT_CHANGES and name not in SUBMITTING
    }

    assert set(named.values()) == set(USE_CASES)
    for method in named.values():
        assert list(inspect.signature(method).parameters)[1] == "actor"


@pytest.mark.parametrize("use_case", USE_CASES.values())
async def test_nothing_is_left_of_a_use_case_whose_last_statement_fails(
    opened: Opened, failing, use_case
):
    await publish(opened, TESTER)
    before, files = await opened.content(), opened.files()
    failing()

    with pytest.raises(FailedAtTheEndError):
        await use_case(opened, TESTER)

    assert await opened.content() == before
    await sweep_of_tomorrow(opened)
    assert opened.files() == files


async def sweep_of_tomorrow(opened: Opened) -> None:
    """Sweep as a server that starts when no writer of today can be alive."""
    run_store = FileRunStore(
        opened.app.graphs.run_store.folder,  # type: ignore[attr-defined]  # it is in files
        lambda: system_clock() + 24 * NS_PER_HOUR,
    )
    await replace(opened.app.graphs, run_store=run_store).sweep()


@pytest.mark.parametrize("step", ["claim", "extend", "release", "postpone"])
async def test_nothing_is_left_of_a_jobs_step_whose_last_statement_fails(
    opened: Opened, failing, step: str
):
    steps = await steps_of_jobs(opened)
    before = await opened.content()
    failing()

    with pytest.raises(FailedAtTheEndError):
        await steps[step]()

    assert await opened.content() == before


@pytest.mark.parametrize("use_case", [each for each in USE_CASES.values() if each not in DELETING])
async def test_a_use_case_writes_what_follows_from_it_in_the_same_transaction(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, use_case
):
    async def not_now(*_topics: str) -> bool:
        return False

    monkeypatch.setattr(type(opened.app.outbox), "drain", lambda _self, *t: not_now(*t))
    await use_case(opened, TESTER)

    topics = [row[1] for row in (await opened.content())["outbox"]]
    assert topics == (["jobs"] if use_case is submit else ["graph"])


@pytest.mark.parametrize("use_case", USE_CASES.values())
async def test_once_a_use_case_returns_its_follow_ups_are_done(opened: Opened, use_case):
    if use_case in DELETING:
        await publish(opened, TESTER)
    await use_case(opened, TESTER)

    assert (await opened.content())["outbox"] == []


@pytest.mark.parametrize("use_case", USE_CASES.values())
async def test_a_principal_without_the_permission_changes_nothing(opened: Opened, use_case):
    reader = Principal("reader", PrincipalKind.API_KEY, frozenset({Permission.READ}))
    before = await opened.content()

    with pytest.raises(PermissionDeniedError, match="operate"):
        await use_case(opened, reader)

    assert await opened.content() == before
    assert opened.files() == set()


async def test_a_job_keeps_who_submitted_it(opened: Opened):
    job = await opened.app.jobs.submit(TESTER, KIND, {"file": "x"})

    assert (await opened.app.jobs.get(job.id)).submitted_by == TESTER.id


async def test_work_that_is_run_again_reads_again(opened: Opened):
    """Two that add the last job that the queue has room for: one of them is refused."""
    for n in range(31):
        await opened.app.jobs.submit(TESTER, KIND, {"file": str(n)})

    added = await asyncio.gather(
        *[opened.app.jobs.submit(TESTER, KIND, {"file": "last"}) for _ in range(4)],
        return_exceptions=True,
    )

    assert [type(each) for each in added].count(TooManyJobsError) == 3


async def test_reading_sees_one_snapshot(opened: Opened):
    unit_of_work = opened.app.graphs.unit_of_work
    await publish(opened, TESTER)

    async def work(stores: Any) -> tuple[Any, Any]:
        first = await stores.graphs.ids()
        await publish(opened, TESTER)
        return first, await stores.graphs.ids()

    first, second = await unit_of_work.read(work)

    assert first == second
    assert len(await unit_of_work.read(lambda stores: stores.graphs.ids())) == 2
