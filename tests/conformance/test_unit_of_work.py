"""Every use case that changes state is one transaction: if its end fails, nothing of it is left.

`USE_CASES` lists them all; a public method that takes an actor and is not in it fails a test.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import itertools
import pkgutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from pydantic import SecretStr
from sqlalchemy import event, select

import agentguard
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
from agentguard.audit.entries import Entry
from agentguard.audit.keys import SigningKey
from agentguard.audit.rotation import KeyRotation
from agentguard.audit.sequencing import Sequencer
from agentguard.audit.store import AuditLog, StoredEntry
from agentguard.bootstrap.app import App
from agentguard.bootstrap.opening import open_app
from agentguard.coordination.dispatching import Dispatcher
from agentguard.graph.storage.dataset_deletion import DatasetService
from agentguard.graph.storage.history import History, history_of
from agentguard.graph.storage.importing import GraphImport
from agentguard.graph.storage.publishing import GraphPublisher
from agentguard.graph.storage.store import GraphVersion
from agentguard.ingest.sources import read_stream
from agentguard.jobs.model import JobError, JobKind, JobState, TooManyJobsError
from agentguard.jobs.queue import Jobs
from agentguard.kernel.clock import NS_PER_HOUR, system_clock
from agentguard.playbooks.service import PlaybookService
from agentguard.retention.service import RetentionService
from agentguard.scan.jobs import KIND
from agentguard.scan.service import ScanService
from agentguard.settings import Settings
from agentguard.simulation.service import KIND as SIMULATION
from agentguard.simulation.service import Failure, SimulationService
from tests.acting import TESTER
from tests.conformance.audit_logs import KEY, NEXT_KEY
from tests.conformance.graphs import GRAPH, RUNS, SteppingClock, version
from tests.databases import KINDS, empty_database
from tests.jobs.uploads import spans

pytestmark = pytest.mark.anyio

NEW_LOG_KEY = SigningKey("example.com/log-2", bytes(range(3, 35)))


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
    jobs = await opened.app.jobs.store.unfinished()
    (held,) = [job for job in jobs if job.state is JobState.RUNNING]
    await opened.app.scans.keep_once(actor, found, "new", held)


async def publish(opened: Opened, actor: Principal) -> None:
    await opened.app.scans.publisher.publish(actor, version("new", system_clock), RUNS)


async def submit(opened: Opened, actor: Principal) -> None:
    await opened.app.jobs.submit(actor, KIND, {"file": "x"})


async def submit_single(opened: Opened, actor: Principal) -> None:
    assert await opened.app.jobs.submit_single(actor, JobKind.AUDIT.value, {})


async def simulate(opened: Opened, actor: Principal) -> None:
    await opened.app.simulations.submit(actor, Failure(("agent:a",)))


async def write_playbook(opened: Opened, actor: Principal) -> None:
    await opened.app.playbooks.submit(actor, Failure(("agent:a",)))


class Former:
    """A former store with one version."""

    async def versions(self) -> tuple[GraphVersion, ...]:
        return (version("former", SteppingClock()),)

    async def history(self) -> History:
        return history_of(GRAPH, RUNS)

    async def forget(self) -> None:
        return


async def import_graphs(opened: Opened, actor: Principal) -> None:
    unit_of_work: Any = opened.app.graphs.unit_of_work
    await GraphImport(unit_of_work).run(actor, Former())


async def delete_dataset(opened: Opened, actor: Principal) -> None:
    await opened.app.datasets.delete(actor, "new")


async def purge(opened: Opened, actor: Principal) -> None:
    await opened.app.retention.purge(actor, system_clock() + NS_PER_HOUR)


async def rotate_key(opened: Opened, actor: Principal) -> None:
    await opened.app.key_rotation.rotate(actor, KEY, NEXT_KEY)


async def begin_log(opened: Opened, actor: Principal) -> None:
    await opened.app.key_rotation.begin(actor, NEW_LOG_KEY)


UseCase: TypeAlias = Callable[[Opened, Principal], Awaitable[None]]

USE_CASES: dict[Callable[..., Any], UseCase] = {
    ScanService.scan: scan,
    ScanService.scan_file: scan_file,
    ScanService.keep_once: keep_once,
    GraphPublisher.publish: publish,
    Jobs.submit: submit,
    SimulationService.submit: simulate,
    PlaybookService.submit: write_playbook,
    GraphImport.run: import_graphs,
    DatasetService.delete: delete_dataset,
    RetentionService.purge: purge,
    Jobs.submit_single: submit_single,
    KeyRotation.rotate: rotate_key,
    KeyRotation.begin: begin_log,
}
"""Every use case that changes state, and how the test calls it."""

WITHOUT_FOLLOW_UPS = (delete_dataset, purge, import_graphs, rotate_key, begin_log)
"""Use cases that nothing follows where there is no projection."""

SUBMITTING = (submit, submit_single, simulate, write_playbook)

STEPS = {
    "Dispatcher._claim": "one statement",
    "Dispatcher._handle": "one statement",
    "Dispatcher._postpone": "one statement",
    "Dispatcher._renew": "one statement",
    "Turn._claim": "one statement",
    "Turn._succeed": "one statement",
    "Turn.release": "one statement",
    "Anchoring._opened": "one anchor, and that no other is open",
    "AnchorChanges.store": "a step of an anchor with its entry: see tests/evm/test_rounds.py",
    "CosigningService.cosign": "one statement",
    "Sequencer.run_once": "a batch of entries with its tiles and checkpoint",
    "LiveSummary.enter": "one statement",
    "StartupFacts.enter": "one statement",
    "RefusalLoop.enter": "one statement",
    "KeptData.expire": "one row: what is known of the clock",
    "KeptData._expire_rows": "housekeeping: one transaction for each kind of row",
    "JobTransactions.claim": "a step of a job: see steps_of_jobs",
    "JobTransactions.extend": "a step of a job: see steps_of_jobs",
    "JobTransactions.fail": "a step of a job: see steps_of_jobs",
    "JobTransactions.postpone": "a step of a job: see steps_of_jobs",
    "JobTransactions.release": "a step of a job: see steps_of_jobs",
}
"""Methods that write outside use cases, and why they need no place in USE_CASES."""

OF_USE_CASES = {
    "DatasetService.delete",
    "GraphImport.run",
    "GraphPublisher._write",
    "Jobs.submit",
    "Jobs.submit_single",
    "KeyRotation.begin",
    "KeyRotation.rotate",
    "RetentionService.purge",
}
"""Methods of use cases that open a write transaction."""

WITHOUT_CHANGES = {
    "AnalysisService.analyze",
    "DiffService.diff",
    "PlaybookService.resolve",
    "PlaybookService.write",
    "SimulationService.resolve",
    "SimulationService.result",
    "SimulationService.select",
    "SimulationService.simulate",
}
"""Use cases that take an actor because they cost much, and change nothing."""

DELEGATING = {"Anchoring.give_up", "Anchoring.run", "ScanJobs.accept", "ScanJobs.submit_file"}
"""Use cases that change state through those of the list, or through steps, alone."""


def writers() -> Iterator[str]:
    """Yield what opens a write transaction in AgentGuard: `Class.method`, or `.function`."""
    for path in Path(agentguard.__file__).parent.rglob("*.py"):
        source = path.read_text()
        if "unit_of_work.run" in source:
            for name, node in named_nodes(ast.parse(source)):
                if any(map(opens_transaction, ast.walk(node))):
                    yield name


def named_nodes(module: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for top in module.body:
        if isinstance(top, ast.ClassDef):
            for method in top.body:
                yield f"{top.name}.{getattr(method, 'name', '')}", method
        else:
            yield f".{getattr(top, 'name', '')}", top


def opens_transaction(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and ast.unparse(node).endswith("unit_of_work.run")


def acting() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every public method of AgentGuard's classes that takes an actor, with its name.

    Not those for use in another use case's transaction, which take its stores.
    """
    for stage in (
        "accounts",
        "audit",
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
                    taken = inspect.signature(method).parameters
                    if not name.startswith("_") and "actor" in taken and "stores" not in taken:
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
        "fail": lambda: jobs.store.fail(waiting.id, JobError("x", "X."), now + 10**9),
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


LEAVES_ENTRIES = {
    scan: "scan.stored",
    scan_file: "scan.stored",
    keep_once: "scan.stored",
    publish: "scan.stored",
    import_graphs: "graphs.imported",
    delete_dataset: "dataset.deleted",
    purge: "data.purged",
    rotate_key: "audit-key.rotated",
    begin_log: "audit-log.begun",
}
"""The use cases that leave an audit entry. A submitted job leaves one when its result is stored."""


@pytest.mark.parametrize("use_case", USE_CASES.values())
async def test_a_change_leaves_one_entry_about_who_made_it(opened: Opened, use_case):
    await prepare(opened)
    before = {entry.row for entry in await entries(opened)}
    await use_case(opened, TESTER)
    left = [Entry.parse(e.leaf) for e in await entries(opened) if e.row not in before]

    action = LEAVES_ENTRIES.get(use_case)
    assert [(e.action, e.actor.id) for e in left] == ([(action, TESTER.id)] if action else [])


@pytest.mark.parametrize("use_case", LEAVES_ENTRIES)
async def test_no_change_leaves_no_entry(
    opened: Opened, failing, monkeypatch: pytest.MonkeyPatch, use_case
):
    await prepare(opened)
    before = await entries(opened)
    failing()

    with pytest.raises(FailedAtTheEndError):
        await use_case(opened, TESTER)
    monkeypatch.undo()
    assert await entries(opened) == before


async def entries(opened: Opened) -> tuple[StoredEntry, ...]:
    async def every(stores: Any) -> tuple[StoredEntry, ...]:
        log: AuditLog = stores.audit
        return (*await log.range(0, await log.size()), *await log.unsequenced(100))

    return await opened.app.audit.unit_of_work.read(every)


def test_no_use_case_is_missing_from_the_list():
    others = WITHOUT_CHANGES | DELEGATING
    named = {name: method for name, method in acting() if name not in others}

    assert set(named.values()) == set(USE_CASES)
    for method in named.values():
        assert list(inspect.signature(method).parameters)[1] == "actor"


def test_every_write_transaction_belongs_to_a_use_case_or_is_a_step():
    assert set(writers()) == OF_USE_CASES | set(STEPS)


async def prepare(opened: Opened) -> None:
    """Store a graph, and a job that an attempt holds; sign the log with a key."""
    await publish(opened, TESTER)
    await Sequencer(opened.app.audit.unit_of_work, KEY, system_clock).run_once()
    job = await opened.app.jobs.submit(TESTER, KIND, {"file": "held"})
    now = system_clock()
    assert await opened.app.jobs.store.claim(job.id, now=now, until=now + NS_PER_HOUR)


@pytest.fixture
def undrained(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what keeps follow-ups in the outbox."""

    async def not_now(*_arguments: object) -> bool:
        return False

    def keep() -> None:
        monkeypatch.setattr(Dispatcher, "drain", not_now)
        monkeypatch.setattr(Dispatcher, "deliver", not_now)

    return keep


class Statements:
    """Counts the writing statements of a database, and lets one of them fail."""

    def __init__(self, fails: int) -> None:
        self.seen, self._fails = 0, fails

    def __call__(self, _connection: Any, _cursor: Any, statement: str, *_rest: object) -> None:
        if statement.split(maxsplit=1)[0].upper() in ("INSERT", "UPDATE", "DELETE"):
            self.seen += 1
            if self.seen == self._fails:
                raise FailedAtTheEndError


@contextmanager
def failing_after(opened: Opened, count: int) -> Iterator[Statements]:
    unit_of_work: Any = opened.app.graphs.unit_of_work
    engine, statements = unit_of_work.database.engine.sync_engine, Statements(count)
    event.listen(engine, "after_cursor_execute", statements)
    try:
        with suppress(FailedAtTheEndError):
            yield statements
    finally:
        event.remove(engine, "after_cursor_execute", statements)


async def check_atomic(opened: Opened, use_case: UseCase) -> int:
    """Let each writing statement of a use case fail in turn; return how many there are."""
    before, files = await opened.content(), opened.files()
    for count in itertools.count(1):
        with failing_after(opened, count) as statements:
            await use_case(opened, TESTER)
        if statements.seen < count:
            return statements.seen
        assert await opened.content() == before
        await sweep_of_tomorrow(opened)
        assert opened.files() == files
    raise AssertionError


@pytest.mark.parametrize("use_case", USE_CASES.values())
async def test_nothing_is_left_of_a_use_case_whichever_statement_fails(
    opened: Opened, undrained, use_case
):
    await prepare(opened)
    undrained()

    assert await check_atomic(opened, use_case) >= (2 if use_case in SUBMITTING else 1)


@pytest.mark.parametrize("use_case", USE_CASES.values())
async def test_a_use_case_is_one_write_transaction(
    opened: Opened, undrained, monkeypatch: pytest.MonkeyPatch, use_case
):
    await prepare(opened)
    undrained()
    transactions = counted_writes(monkeypatch)

    await use_case(opened, TESTER)

    assert len(transactions) == 1


def counted_writes(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return a list that grows with each write transaction."""
    write, seen = Database.write, list[object]()

    async def counting(self: Database, work: Callable[[Any], Awaitable[Any]]) -> Any:
        seen.append(work)
        return await write(self, work)

    monkeypatch.setattr(Database, "write", counting)
    return seen


class SplitPublisher(GraphPublisher[Any]):
    """A wrong publisher: the version in one transaction, what follows from it in another."""

    async def _write(self, _actor, version, document, seen, _commit, _guard) -> None:
        await self.unit_of_work.run(lambda stores: stores.graphs.add(version, document))

        async def rest(stores: Any) -> None:
            await stores.history.add(seen)
            await self._announce(stores.outbox, version)

        await self.unit_of_work.run(rest)


async def test_a_use_case_of_two_transactions_is_detected(
    opened: Opened, undrained, monkeypatch: pytest.MonkeyPatch
):
    right = opened.app.scans.publisher
    split = SplitPublisher(*(getattr(right, field.name) for field in fields(right)))

    async def publish_split(_opened: Opened, actor: Principal) -> None:
        await split.publish(actor, version("new", system_clock), RUNS)

    undrained()
    transactions = counted_writes(monkeypatch)
    await publish_split(opened, TESTER)

    assert len(transactions) == 2
    with pytest.raises(AssertionError):
        await check_atomic(opened, publish_split)


async def sweep_of_tomorrow(opened: Opened) -> None:
    """Sweep as a server that starts when no writer of today can be alive."""
    run_store = FileRunStore(
        opened.app.graphs.run_store.folder,  # type: ignore[attr-defined]  # it is in files
        lambda: system_clock() + 24 * NS_PER_HOUR,
    )
    await replace(opened.app.graphs, run_store=run_store).sweep()


@pytest.mark.parametrize("step", ["claim", "extend", "release", "postpone", "fail"])
async def test_nothing_is_left_of_a_jobs_step_whose_last_statement_fails(
    opened: Opened, failing, step: str
):
    steps = await steps_of_jobs(opened)
    before = await opened.content()
    failing()

    with pytest.raises(FailedAtTheEndError):
        await steps[step]()

    assert await opened.content() == before


FOLLOWED = [each for each in USE_CASES.values() if each not in WITHOUT_FOLLOW_UPS]


@pytest.mark.parametrize("use_case", FOLLOWED)
async def test_a_use_case_writes_what_follows_from_it(opened: Opened, undrained, use_case):
    await prepare(opened)
    undrained()
    await use_case(opened, TESTER)

    topics = [row[1] for row in (await opened.content())["outbox"]]
    assert topics == (["jobs"] if use_case in SUBMITTING else ["graph"])


@pytest.mark.parametrize("use_case", USE_CASES.values())
async def test_once_a_use_case_returns_its_follow_ups_are_done(opened: Opened, use_case):
    await prepare(opened)
    await use_case(opened, TESTER)

    assert (await opened.content())["outbox"] == []


@pytest.mark.parametrize("use_case", USE_CASES.values())
async def test_a_principal_without_the_permission_changes_nothing(opened: Opened, use_case):
    await prepare(opened)
    reader = Principal("reader", PrincipalKind.API_KEY, frozenset({Permission.READ}))
    before, files = await opened.content(), opened.files()

    with pytest.raises(PermissionDeniedError):
        await use_case(opened, reader)

    assert await opened.content() == before
    assert opened.files() == files


async def test_a_job_keeps_who_submitted_it(opened: Opened):
    job = await opened.app.jobs.submit(TESTER, KIND, {"file": "x"})

    kept = await opened.app.jobs.get(job.id)
    assert (kept.submitted_by, kept.submitted_by_kind) == (TESTER.id, TESTER.kind)


async def test_the_entry_of_a_stored_result_names_who_submitted_the_job(opened: Opened):
    await publish(opened, TESTER)
    job = await opened.app.jobs.submit(TESTER, SIMULATION, {})
    now = system_clock()
    running = await opened.app.jobs.store.claim(job.id, now=now, until=now + NS_PER_HOUR)
    assert running is not None
    result = {"graph_version": (await opened.app.graphs.newest("new")).id}
    assert await opened.app.jobs.store.release(running.succeed(result, now))

    told = Entry.parse((await entries(opened))[-1].leaf)
    assert (told.action, told.actor.id) == ("simulation.stored", TESTER.id)
    assert told.actor.kind == TESTER.kind.value


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
