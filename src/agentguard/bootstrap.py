"""Joins settings, adapters and capabilities; the only place that chooses adapters, opens them and closes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from agentguard.adapters.celery.broker import Broker
from agentguard.adapters.files.spans import open_span_store
from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.graphs import SqlGraphStore
from agentguard.adapters.sql.jobs import SqlJobStore
from agentguard.catalog.comparing import Comparison, compare
from agentguard.catalog.loading import load_catalogs
from agentguard.catalog.matching import Matches, match
from agentguard.catalog.model import Catalog
from agentguard.catalog.views import view
from agentguard.discovery.dialects.loading import Dialects, load_dialects
from agentguard.graph.documents import scan_document
from agentguard.graph.evidence_links import TraceLinks, trace_links
from agentguard.graph.live import LiveGraph
from agentguard.graph.model import Graph
from agentguard.graph.scan_jobs import KIND as SCAN
from agentguard.graph.scan_jobs import ScanJobs
from agentguard.graph.scanning import Scan
from agentguard.graph.scans import ScanService
from agentguard.graph.store import GraphStore, GraphVersion
from agentguard.jobs.attempts import Attempts, Tries, Work
from agentguard.jobs.delivery import DeadLetter, Delivery, NoDeadLettersError
from agentguard.jobs.embedded import WITHOUT_BROKER, EmbeddedRunner
from agentguard.jobs.queue import Jobs
from agentguard.jobs.sweep import Sweep
from agentguard.jobs.tasks import task_group
from agentguard.jobs.workers import Process, Thread, Workers
from agentguard.kernel.clock import NS_PER_HOUR, Clock, system_clock
from agentguard.kernel.errors import AgentGuardError, InvalidInputError, PackageMissingError
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
    warming: asyncio.Task[None]
    """Done when the workers are up."""


@dataclass(frozen=True, slots=True)
class App:
    """Everything a shell needs, opened."""

    settings: Settings
    graphs: GraphStore
    catalog: Catalog | None
    links: TraceLinks
    scans: ScanService
    jobs: Jobs
    serving: Serving | None = None

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


@asynccontextmanager
async def open_app(
    settings: Settings, *, serving: bool = False, in_processes: bool = True, clock: Clock = system_clock
) -> AsyncIterator[App]:
    """Open what is in the data directory, creating and migrating it where needed, and close it in good order.

    With `serving`, also take spans in, keep the live graph and run jobs: one process a data directory may
    (DataDirectoryInUseError), others may scan and read beside it. `in_processes=False` keeps all work in this process.
    """
    async with AsyncExitStack() as stack:
        _make_folder(settings.data_dir)
        database = await stack.enter_async_context(open_database(settings.data_dir))
        graphs = SqlGraphStore(database, settings.data_dir / "graphs", clock, settings.versions_kept)
        load = partial(load_dialects, settings.housekeeping)
        dialects = cache(load)
        workers = _workers(stack, dialects if not (serving and in_processes) else load, separate=serving and in_processes)
        catalog = await asyncio.to_thread(load_catalogs, settings.catalog)
        scans = ScanService(graphs, workers, clock, dialects, settings.max_upload_bytes)
        jobs = Jobs(SqlJobStore(database), clock)
        app = App(settings, graphs, catalog, trace_links(settings.trace_url), scans, jobs)
        if not serving:
            yield app
            return
        await graphs.sweep()
        yield await _serving(stack, app, separate=in_processes)


async def _serving(stack: AsyncExitStack, app: App, *, separate: bool) -> App:
    settings, clock = app.settings, app.scans.clock
    decoders = _workers(stack, partial(make_decoder, app.dialects.wanted), separate=separate)
    # Of its own: a long scan must not keep acknowledged spans from showing.
    watchers = _workers(stack, partial(load_dialects, settings.housekeeping) if separate else app.scans.dialects, separate=separate)
    spans = await stack.enter_async_context(
        open_span_store(settings.data_dir, partial(usable_spans, decoders), clock, keep_bodies=settings.keep_content)
    )
    receiver = Receiver(spans, decoders, Load(settings.ingest_max_requests, settings.ingest_max_bytes), settings.acknowledge_seconds)
    upkeep = Upkeep(spans, receiver.arrived, clock, int(settings.retention_hours * NS_PER_HOUR))
    live = LiveGraph(spans, app.graphs, watchers, clock, int(settings.window_hours * NS_PER_HOUR), upkeep.settled)
    await asyncio.to_thread(app.uploaded.sweep, await app.jobs.store.unfinished())
    embedded = EmbeddedRunner(app.attempts) if settings.celery_broker_url is None else None
    delivery = embedded or delivery_of(settings)
    sweep = Sweep(app.jobs.store, delivery, clock, settings.job_lease_seconds)
    stack.push_async_callback(_settle_at_last, spans)
    tasks = await stack.enter_async_context(task_group())
    warming = tasks.create_task(_warm(decoders, watchers, app.scans.workers))
    running = [] if embedded is None else [embedded.run]
    loops = [tasks.create_task(loop()) for loop in (upkeep.run, live.run, sweep.run, *running)]
    receiving = tasks.create_task(receiver.run())
    stack.push_async_callback(_stop, receiver, receiving, [warming, *loops])
    serving = Serving(receiver, spans, live, upkeep, sweep, delivery, warming)
    return replace(app, jobs=replace(app.jobs, wake=sweep.wake), serving=serving)


def delivery_of(settings: Settings) -> Delivery:
    """Return who brings jobs to Celery workers. Raises NoBrokerError, and PackageMissingError."""
    broker = _broker(settings)
    with _celery_wanted():
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
    with _celery_wanted():
        from agentguard.adapters.celery.worker import CeleryWorker
    return CeleryWorker(broker, tries, system_clock, shutdown_seconds=settings.shutdown_seconds)


def _broker(settings: Settings) -> Broker:
    if settings.celery_broker_url is None:
        raise NoBrokerError
    results = settings.celery_result_backend
    return Broker(settings.celery_broker_url.get_secret_value(), settings.jobs_queue, results.get_secret_value() if results else None)


@contextmanager
def _celery_wanted() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise PackageMissingError("CELERY_BROKER_URL", "celery") from error


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


async def _warm(*workers: Workers[Any]) -> None:
    """Start the worker processes ahead of the first request; one that dies is started again when it is needed."""
    answers = await asyncio.gather(*[each.run(_nothing) for each in workers], return_exceptions=True)
    for died in (answer for answer in answers if answer is not None):
        log.warning("worker_died_while_starting", error=str(died))


def _nothing(_state: object) -> None:
    return None


def _workers(stack: AsyncExitStack, prepare: Callable[[], S], *, separate: bool) -> Workers[S]:
    workers: Process[S] | Thread[S] = Process(prepare) if separate else Thread(prepare)
    stack.callback(workers.close)
    return workers


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = f"The data directory {str(folder)!r} cannot be made: {error.strerror}."
        raise DataDirectoryError(f"{reason} Set AGENTGUARD_DATA_DIR.") from error
