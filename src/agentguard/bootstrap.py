"""Joins settings, adapters and capabilities; the only place that chooses adapters, opens them and closes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from agentguard.adapters.celery.broker import Broker
from agentguard.adapters.files.runs import FileRunStore
from agentguard.adapters.files.spans import open_span_store
from agentguard.adapters.memory.cache import MemoryCache
from agentguard.adapters.memory.limits import MemoryRateLimits
from agentguard.adapters.memory.notices import MemoryNotices
from agentguard.adapters.sql.database import Database, open_database
from agentguard.adapters.sql.graphs import SqlGraphStore
from agentguard.adapters.sql.jobs import SqlJobStore
from agentguard.adapters.sql.leases import SqlLeases
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.catalog.comparing import Comparison, compare
from agentguard.catalog.loading import load_catalogs
from agentguard.catalog.matching import Matches, match
from agentguard.catalog.model import Catalog
from agentguard.catalog.views import view
from agentguard.coordination.cache import Cache, Layered
from agentguard.coordination.limits import RateLimits
from agentguard.coordination.notices import Notices
from agentguard.discovery.dialects.loading import Dialects, load_dialects
from agentguard.graph.announcing import AnnouncedGraphs
from agentguard.graph.documents import scan_document
from agentguard.graph.evidence_links import TraceLinks, trace_links
from agentguard.graph.live import LiveGraph
from agentguard.graph.model import Graph
from agentguard.graph.scan_jobs import KIND as SCAN
from agentguard.graph.scan_jobs import ScanJobs
from agentguard.graph.scanning import Scan
from agentguard.graph.scans import ScanService
from agentguard.graph.store import GraphStore, GraphVersion
from agentguard.health import Part, RoundFailedError, StillStartingError
from agentguard.jobs.announcing import AnnouncingJobStore
from agentguard.jobs.attempts import Attempts, Tries, Work
from agentguard.jobs.delivery import DeadLetter, Delivery, NoDeadLettersError
from agentguard.jobs.embedded import WITHOUT_BROKER, EmbeddedRunner
from agentguard.jobs.queue import Jobs
from agentguard.jobs.sweep import Sweep
from agentguard.jobs.tasks import task_group
from agentguard.jobs.workers import Process, Thread, WorkerDiedError, Workers, nothing
from agentguard.kernel.clock import NS_PER_HOUR, Clock, system_clock
from agentguard.kernel.errors import AgentGuardError, InvalidInputError, PackageMissingError, UnavailableError
from agentguard.kernel.ids import sortable_id
from agentguard.logs import Report, nowhere
from agentguard.playbooks.service import KIND as PLAYBOOK
from agentguard.playbooks.service import Playbooks
from agentguard.settings import Settings
from agentguard.simulation.model import Thresholds
from agentguard.simulation.service import KIND as SIMULATION
from agentguard.simulation.service import Simulations
from agentguard.traces.acceptance import make_decoder, usable_spans
from agentguard.traces.receiver import Load, Receiver
from agentguard.traces.store import SpanStore
from agentguard.traces.upkeep import Upkeep

if TYPE_CHECKING:
    from agentguard.adapters.celery.worker import CeleryWorker

S = TypeVar("S")

log = structlog.get_logger(__name__)

SERVER = "agentguard.web.server"
"""The module that serves the API: named, not imported, since shells stand further out than this."""
WORKER = "agentguard.worker.running"
"""The module that runs a worker, named likewise."""


class DataDirectoryError(InvalidInputError):
    """The data directory cannot be used."""

    code = "bad-data-directory"


class NoBrokerError(InvalidInputError):
    """There is no broker that a worker could listen to."""

    code = "no-broker"

    def __init__(self) -> None:
        super().__init__("CELERY_BROKER_URL is not set: then the server runs jobs itself. Set it, for server and workers alike.")


class NothingUsableError(InvalidInputError):
    """A scan found no span that can be used."""

    code = "nothing-usable"

    def __init__(self, document: Mapping[str, Any]) -> None:
        reasons = " ".join(refusal["message"] for refusal in document["refusals"][:3])
        outside = document["coverage"]["outside_window"]
        why = f"All {outside:,} spans that were read are of traces outside the window." if outside else "No span could be used."
        super().__init__(f"{why} {reasons}".strip())
        self._refusals = document["refusals"]

    @property
    def extensions(self) -> dict[str, object]:
        return {"refusals": self._refusals}


@dataclass(frozen=True, slots=True)
class Serving:
    """The parts that only a server has: it takes spans in, and sees to it that jobs are run."""

    receiver: Receiver
    spans: SpanStore
    live: LiveGraph
    upkeep: Upkeep
    sweep: Sweep
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Shared:
    """What processes share for speed; in this process alone where there is no Redis."""

    cache: Cache
    notices: Notices
    limits: RateLimits | None
    """None: any number of requests may come."""
    ping_redis: Callable[[], Awaitable[None]] | None = None
    """Raises RedisAwayError where it does not answer; None: there is none."""


@dataclass(frozen=True, slots=True)
class App:
    """Everything a shell needs, opened."""

    settings: Settings
    graphs: GraphStore
    catalog: Catalog | None
    links: TraceLinks
    scans: ScanService
    shared: Shared
    jobs: Jobs
    serving: Serving | None = None
    parts: tuple[Part, ...] = ()
    """What must work for a server to be ready."""

    @property
    def cache(self) -> Cache:
        return self.shared.cache

    @property
    def notices(self) -> Notices:
        return self.shared.notices

    @property
    def limits(self) -> RateLimits | None:
        return self.shared.limits

    @property
    def attempts(self) -> Attempts:
        """What tries jobs, in a server as in a worker."""
        return Attempts(self.jobs.store, self._works(), self.jobs.clock, self.settings.job_attempts, self.settings.job_lease_seconds)

    @property
    def uploaded(self) -> ScanJobs:
        return ScanJobs(self.scans, self.settings.data_dir / "uploads", self.scan_answer, self.settings.upload_seconds)

    @property
    def simulations(self) -> Simulations:
        return Simulations(self.graphs, self.catalog, self.links, self.thresholds)

    @property
    def playbooks(self) -> Playbooks:
        return Playbooks(self.simulations)

    @property
    def dialects(self) -> Dialects:
        return self.scans.dialects()

    @property
    def thresholds(self) -> Thresholds:
        return Thresholds(self.settings.severity_critical, self.settings.severity_high, self.settings.severity_medium)

    def matches(self, graph: Graph) -> Matches:
        return match(graph, self.catalog)

    async def compare(self, graph: Graph) -> Comparison:
        """Return the catalogue against this graph and against everything that was ever seen, as of now."""
        history = await self.graphs.history()
        now, days = self.scans.clock(), self.settings.ghost_days
        return await asyncio.to_thread(compare, graph, self.catalog, history, now=now, ghost_days=days)

    def scan_answer(self, version: GraphVersion, found: Scan) -> dict[str, Any]:
        """Return the document of a scan; raise NothingUsableError if it found no span."""
        document = scan_document(found.graph, view(self.matches(found.graph), self.links), refusals=found.refusals)
        if not found.graph.coverage.spans:
            raise NothingUsableError(document)
        return {"dataset": version.dataset, "graph_version": version.id} | document

    def _works(self) -> dict[str, Work]:
        """The explicit table of jobs, kind → function. A new kind needs a Celery task's name too: `adapters/celery/app.py`."""
        return {
            SCAN: Work(self.uploaded.run, self.uploaded.clear),
            SIMULATION: Work(self.simulations.run),
            PLAYBOOK: Work(self.playbooks.run),
        }


@contextmanager
def extra(setting: str) -> Iterator[None]:
    """Say which setting needs the optional packages that are imported within."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise PackageMissingError(setting, error.name or "") from error


@contextmanager
def reporting(settings: Settings) -> Iterator[Report]:
    """Give what tells Sentry of errors, where SENTRY_DSN is set; when left, what waits is sent, for two seconds at most.

    Raises PackageMissingError where Sentry is wanted and its package is not there.
    """
    if settings.sentry_dsn is None:
        yield nowhere
        return
    with extra("SENTRY_DSN"):
        from agentguard.adapters.sentry.reporting import open_reports
    with open_reports(settings.sentry_dsn.get_secret_value(), release=release(), environment=settings.sentry_environment) as report:
        yield report


def release() -> str:
    """Return what Sentry calls this version."""
    return f"agentguard@{version('agentguard')}"


@asynccontextmanager
async def open_app(
    settings: Settings, *, serving: bool = False, in_processes: bool = True, clock: Clock = system_clock
) -> AsyncIterator[App]:
    """Open what is in the data directory, creating and migrating it where needed, and close it in good order.

    With `serving`, also take spans in, keep the live graph and run jobs: any number of processes may.
    `in_processes=False` keeps all work in this process.
    """
    async with AsyncExitStack() as stack:
        make_folder(settings.data_dir)
        database = await stack.enter_async_context(open_database(settings.data_dir, postgresql(settings)))
        shared = await _shared(stack, settings)
        load = partial(load_dialects, settings.housekeeping)
        dialects = cache(load)
        workers = _workers(stack, dialects if not (serving and in_processes) else load, separate=serving and in_processes)
        catalog = await asyncio.to_thread(load_catalogs, settings.catalog)
        graphs = AnnouncedGraphs(await _graphs(stack, settings, database, catalog, clock), shared.notices)
        scans = ScanService(graphs, workers, clock, dialects, settings.max_upload_bytes)
        jobs = Jobs(AnnouncingJobStore(SqlJobStore(database), shared.notices), clock)
        app = App(settings, graphs, catalog, trace_links(settings.trace_url), scans, shared, jobs)
        if not serving:
            yield app
            return
        await _sweep(graphs)
        app = replace(app, parts=(_database_part(database, settings), *_graphs_part(graphs, settings), *_redis_part(shared)))
        yield await _serving(stack, app, SqlLeases(database, clock), separate=in_processes)


async def _graphs(stack: AsyncExitStack, settings: Settings, database: Database, catalog: Catalog | None, clock: Clock) -> GraphStore:
    folder = settings.data_dir / "graphs"
    if settings.neo4j is None:
        return SqlGraphStore(database, FileRunStore(folder, clock), clock, settings.versions_kept)
    # Runs in a folder of their own: whoever goes back to the database finds those of its versions where they were.
    run_store = FileRunStore(folder / "neo4j", clock)
    return await _neo4j_graphs(stack, settings, settings.neo4j, run_store, partial(_standings, catalog))


async def _neo4j_graphs(
    stack: AsyncExitStack, settings: Settings, uri: str, run_store: FileRunStore, standings: Callable[[Graph], Mapping[str, str]]
) -> GraphStore:
    with extra("NEO4J_URI"):
        from agentguard.adapters.neo4j.database import Credentials, open_neo4j
        from agentguard.adapters.neo4j.graphs import Neo4jGraphStore
    password = settings.neo4j_password
    who = Credentials(settings.neo4j_user or "neo4j", password.get_secret_value()) if password else None
    opening = open_neo4j(uri, who, settings.neo4j_database or "neo4j", settings.neo4j_timeout_seconds)
    server = await stack.enter_async_context(opening)
    return Neo4jGraphStore(server, run_store, run_store.clock, settings.versions_kept, standings)


def _standings(catalog: Catalog | None, graph: Graph) -> dict[str, str]:
    return {found.component: found.standing.value for found in match(graph, catalog).components}


async def _sweep(graphs: GraphStore) -> None:
    """Clear up after writers that died; where the store is away, the next start does it."""
    try:
        await graphs.sweep()
    except UnavailableError as error:
        log.warning("sweep_put_off", error=str(error))


async def _shared(stack: AsyncExitStack, settings: Settings) -> Shared:
    limits = MemoryRateLimits(settings.rate_limit) if settings.rate_limit else None
    own = Shared(MemoryCache(), MemoryNotices(), limits)
    return own if settings.redis is None else await _through_redis(stack, settings.redis.get_secret_value(), settings, own)


async def _through_redis(stack: AsyncExitStack, url: str, settings: Settings, own: Shared) -> Shared:
    with extra("REDIS_URL"):
        from agentguard.adapters.redis.cache import RedisCache
        from agentguard.adapters.redis.connection import open_connection
        from agentguard.adapters.redis.limits import RedisRateLimits
        from agentguard.adapters.redis.notices import RedisNotices
    connection = await stack.enter_async_context(open_connection(url, timeout_seconds=settings.redis_timeout_seconds))
    limits = RedisRateLimits(connection, settings.rate_limit, own.limits) if own.limits else None
    notices = RedisNotices(connection, own.notices)
    tasks = await stack.enter_async_context(task_group())
    stack.callback(tasks.create_task(notices.follow()).cancel)
    return Shared(Layered(own.cache, RedisCache(connection)), notices, limits, connection.ping)


async def _serving(stack: AsyncExitStack, app: App, leases: SqlLeases, *, separate: bool) -> App:
    settings, clock = app.settings, app.scans.clock
    decoders = _workers(stack, partial(make_decoder, app.dialects.wanted), separate=separate)
    # Of its own: a long scan must not keep acknowledged spans from showing.
    watchers = _workers(stack, partial(load_dialects, settings.housekeeping) if separate else app.scans.dialects, separate=separate)
    spans = await stack.enter_async_context(
        open_span_store(settings.data_dir, partial(usable_spans, decoders), clock, keep_bodies=settings.keep_content)
    )
    receiver = Receiver(spans, decoders, Load(settings.ingest_max_requests, settings.ingest_max_bytes), settings.acknowledge_seconds)
    upkeep = Upkeep(spans, receiver.arrived, clock, int(settings.retention_hours * NS_PER_HOUR))
    window, process = int(settings.window_hours * NS_PER_HOUR), sortable_id(clock())
    live = LiveGraph(spans, app.graphs, watchers, clock, window, upkeep.settled, leases, process)
    await asyncio.to_thread(app.uploaded.sweep, await app.jobs.store.unfinished())
    embedded = EmbeddedRunner(app.attempts) if settings.celery_broker_url is None else None
    delivery = embedded or delivery_of(settings)
    sweep = Sweep(app.jobs.store, delivery, clock, settings.job_lease_seconds)
    stack.push_async_callback(_settle_at_last, spans)
    tasks = await stack.enter_async_context(task_group())
    warming = tasks.create_task(_warm(decoders))
    running = [] if embedded is None else [embedded.run]
    loops = [tasks.create_task(loop()) for loop in (upkeep.run, live.run, sweep.run, *running)]
    receiving = tasks.create_task(receiver.run())
    stack.push_async_callback(_stop, receiver, receiving, [warming, *loops])
    serving = Serving(receiver, spans, live, upkeep, sweep, delivery)
    parts = (*app.parts, *_serving_parts(serving, warming, (decoders, watchers, app.scans.workers)))
    return replace(app, jobs=replace(app.jobs, wake=sweep.wake), serving=serving, parts=parts)


def _database_part(database: Database, settings: Settings) -> Part:
    disk = "Look at the disk that AGENTGUARD_DATA_DIR is on."
    server = "Start PostgreSQL, or set DATABASE_URL or POSTGRES_HOST to where it runs."
    return Part("database", database.ping, f"{server if settings.postgres else disk} `agentguard doctor` says more.")


def _graphs_part(graphs: GraphStore, settings: Settings) -> tuple[Part, ...]:
    """Return Neo4j as a part, where graphs are kept there and not in the database."""
    advice = "Start Neo4j, or set NEO4J_URI to where it runs. `agentguard doctor` says more."
    return (Part("graphs", graphs.ping, advice),) if settings.neo4j else ()


def _redis_part(shared: Shared) -> tuple[Part, ...]:
    advice = "Start Redis, or set REDIS_URL or REDIS_HOST to where it runs. Until then everything is slower, nothing is wrong."
    return (Part("redis", shared.ping_redis, advice),) if shared.ping_redis else ()


def _serving_parts(serving: Serving, warming: asyncio.Task[None], workers: Sequence[Workers[Any]]) -> tuple[Part, ...]:
    async def ask_spans() -> None:
        _raise_failure(serving.upkeep.failure)
        await serving.spans.ping()

    async def ask_live_graph() -> None:
        _raise_failure(serving.live.failure)

    async def ask_workers() -> None:
        if not warming.done():
            raise StillStartingError("Worker processes are starting.")
        await asyncio.gather(*[each.ping() for each in workers])

    return (
        Part("spans", ask_spans, "Make room on the disk that AGENTGUARD_DATA_DIR is on, and let this process write there."),
        Part("live_graph", ask_live_graph, "It is tried again by itself; where that does not help, see the error in the log."),
        Part("workers", ask_workers, "They are started again by themselves; where that repeats, give the machine more memory."),
    )


def _raise_failure(kind: str | None) -> None:
    if kind is not None:
        raise RoundFailedError(kind)


def delivery_of(settings: Settings) -> Delivery:
    """Return who brings jobs to Celery workers. Raises NoBrokerError, and PackageMissingError."""
    broker = _broker(settings)
    with extra("CELERY_BROKER_URL"):
        from agentguard.adapters.celery.delivery import CeleryDelivery
    return CeleryDelivery(broker, system_clock)


async def dead_letters(settings: Settings) -> tuple[DeadLetter, ...]:
    """Return what the broker will not deliver any more; raise NoDeadLettersError, BrokerAwayError, and PackageMissingError."""
    if settings.celery_broker_url is None:
        raise NoDeadLettersError(WITHOUT_BROKER)
    return await delivery_of(settings).dead_letters()


def worker_of(settings: Settings, tries: Tries) -> CeleryWorker:
    """Return the Celery worker that gives what is delivered to `tries`. Raises NoBrokerError, and PackageMissingError."""
    broker = _broker(settings)
    with extra("CELERY_BROKER_URL"):
        from agentguard.adapters.celery.worker import CeleryWorker
    return CeleryWorker(broker, tries, system_clock, shutdown_seconds=settings.shutdown_seconds)


def _broker(settings: Settings) -> Broker:
    if settings.celery_broker_url is None:
        raise NoBrokerError
    results = settings.celery_result_backend
    return Broker(settings.celery_broker_url.get_secret_value(), settings.jobs_queue, results.get_secret_value() if results else None)


async def _stop(receiver: Receiver, receiving: asyncio.Task[None], loops: list[asyncio.Task[None]]) -> None:
    """Answer what was taken in, then stop the rest."""
    receiver.close()
    await asyncio.wait([receiving])
    for loop in loops:
        loop.cancel()


async def _settle_at_last(spans: SpanStore) -> None:
    """Leave no bodies behind; should that fail, the next start does it."""
    try:
        await spans.settle()
    except (OSError, AgentGuardError):
        log.exception("last_settling_failed")


async def _warm(decoders: Workers[Any]) -> None:
    """Start the process that decodes ahead of the first delivery; one that dies is started again when it is needed."""
    try:
        await decoders.run(nothing)
    except WorkerDiedError as error:
        log.warning("worker_died_while_starting", error=str(error))


def _workers(stack: AsyncExitStack, prepare: Callable[[], S], *, separate: bool) -> Workers[S]:
    workers: Process[S] | Thread[S] = Process(prepare) if separate else Thread(prepare)
    stack.callback(workers.close)
    return workers


def postgresql(settings: Settings) -> PostgreSQL | None:
    """Return where PostgreSQL is, or None for SQLite."""
    if settings.postgres is None:
        return None
    return PostgreSQL(settings.postgres.get_secret_value(), settings.database_pool_size, settings.database_timeout_seconds)


def make_folder(folder: Path) -> None:
    """Make the data directory; raise DataDirectoryError where that is not possible."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = f"The data directory {str(folder)!r} cannot be made: {error.strerror}."
        raise DataDirectoryError(f"{reason} Set AGENTGUARD_DATA_DIR.") from error
