"""Opens everything and closes it in good order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, TypeVar

import structlog

from agentguard.adapters.files.spans import open_span_store
from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.bootstrap.app import PERMISSIONS, App, Serving, Shared
from agentguard.bootstrap.broker import dispatcher_of
from agentguard.bootstrap.health_checks import (
    broker_part,
    database_part,
    projection_part,
    redis_part,
    serving_parts,
)
from agentguard.bootstrap.wiring import (
    coordination,
    import_former_graphs,
    make_folder,
    open_neo4j_database,
    postgresql,
    projection_in,
    run_store,
)
from agentguard.catalog.loading import load_catalogs
from agentguard.catalog.model import Catalog
from agentguard.compute.pools import Pool, ProcessPool, ThreadPool, WorkerDiedError, no_op
from agentguard.compute.tasks import task_group
from agentguard.coordination.dispatching import Dispatcher, Handler
from agentguard.coordination.notices import Notices
from agentguard.discovery.dialects.loading import load_dialects
from agentguard.graph.evidence_links import trace_links
from agentguard.graph.projection import GraphProjection, Projector
from agentguard.graph.publishing import GRAPH_STORED, PROJECTION, GraphPublisher, graph_notices
from agentguard.graph.versions import Graphs
from agentguard.jobs.embedded import EmbeddedRunner
from agentguard.jobs.queue import Jobs
from agentguard.jobs.sweep import Sweep
from agentguard.jobs.transactions import TOPIC as JOB_CHANGED
from agentguard.jobs.transactions import JobTransactions, job_notices
from agentguard.kernel.clock import NS_PER_HOUR, Clock, system_clock
from agentguard.kernel.errors import AgentGuardError, UnavailableError
from agentguard.kernel.ids import sortable_id
from agentguard.scan.live import LiveGraph
from agentguard.scan.service import ScanService
from agentguard.settings import Settings
from agentguard.traces.compaction import Compactor
from agentguard.traces.receiver import Load, Receiver
from agentguard.traces.store import SpanStore
from agentguard.traces.validation import decode_accepted, make_decoder

S = TypeVar("S")

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_app(
    settings: Settings,
    *,
    serving: bool = False,
    in_processes: bool = True,
    clock: Clock = system_clock,
) -> AsyncIterator[App]:
    """Open what is in the data directory, creating and migrating it where needed, and close it in
    good order.

    With `serving`, also take spans in, keep the live graph and run jobs: any number of processes
    may. `in_processes=False` keeps all work in this process.
    """
    async with AsyncExitStack() as stack:
        make_folder(settings.data_dir)
        database = await stack.enter_async_context(
            open_database(settings.data_dir, postgresql(settings))
        )
        unit_of_work = SqlUnitOfWork(database, clock)
        load = partial(load_dialects, settings.housekeeping)
        dialects = cache(load)
        workers = _workers(
            stack,
            dialects if not (serving and in_processes) else load,
            separate=serving and in_processes,
        )
        storage = await _storage(stack, settings, unit_of_work)
        graphs, shared = storage.graphs, storage.shared
        scans = ScanService(
            graphs, storage.publisher, workers, clock, dialects, settings.max_upload_bytes
        )
        transactions = JobTransactions(unit_of_work, storage.outbox, shared.notices)
        app = App(
            settings,
            graphs,
            storage.catalog,
            trace_links(settings.trace_url),
            scans,
            shared,
            Jobs(transactions, clock, PERMISSIONS),
            storage.outbox,
            storage.projection,
        )
        if not serving:
            yield app
            return
        await _tidy(app)
        parts = (
            database_part(database, settings),
            *projection_part(app.projection),
            *redis_part(shared),
        )
        yield await _serving(stack, replace(app, parts=parts), unit_of_work, separate=in_processes)


@dataclass(frozen=True, slots=True)
class _Storage:
    """Where graphs are kept, what follows from storing one, and what processes share."""

    catalog: Catalog | None
    graphs: Graphs
    publisher: GraphPublisher
    outbox: Dispatcher
    projection: GraphProjection | None
    shared: Shared


async def _storage(
    stack: AsyncExitStack, settings: Settings, unit_of_work: SqlUnitOfWork
) -> _Storage:
    clock = unit_of_work.clock
    shared = await coordination(stack, settings)
    catalog = await asyncio.to_thread(load_catalogs, settings.catalog)
    neo4j = await open_neo4j_database(stack, settings)
    await import_former_graphs(neo4j, settings, unit_of_work)
    projection = projection_in(neo4j, catalog, clock)
    graphs = Graphs(unit_of_work, run_store(settings, clock))
    outbox = Dispatcher(unit_of_work, _handlers(shared.notices, graphs, projection), clock)
    publisher = GraphPublisher(
        unit_of_work,
        graphs.run_store,
        graphs.recent,
        outbox,
        clock,
        settings.versions_kept,
        projected=projection is not None,
    )
    return _Storage(catalog, graphs, publisher, outbox, projection, shared)


def _handlers(
    notices: Notices, graphs: Graphs, projection: GraphProjection | None
) -> dict[str, Handler]:
    """Return the explicit table of what follows a transaction: topic → handler."""
    handlers = {GRAPH_STORED: graph_notices(notices), JOB_CHANGED: job_notices(notices)}
    if projection is not None:
        handlers[PROJECTION] = Projector(graphs, projection).handle
    return handlers


async def _tidy(app: App) -> None:
    """Delete what dead writers left, and show the newest graph; what fails is done later."""
    try:
        await app.graphs.sweep()
        if app.projection is not None:
            await Projector(app.graphs, app.projection).start()
    except UnavailableError as error:
        log.warning("sweep_postponed", error=str(error))


async def _serving(
    stack: AsyncExitStack, app: App, unit_of_work: SqlUnitOfWork, *, separate: bool
) -> App:
    settings, clock = app.settings, app.scans.clock
    decoders = _workers(stack, partial(make_decoder, app.dialects.wanted), separate=separate)
    # Of its own: a long scan must not keep acknowledged spans from showing.
    watchers = _workers(
        stack,
        partial(load_dialects, settings.housekeeping) if separate else app.scans.dialects,
        separate=separate,
    )
    spans = await stack.enter_async_context(
        open_span_store(
            settings.data_dir,
            partial(decode_accepted, decoders),
            clock,
            keep_bodies=settings.keep_content,
        )
    )
    receiver = Receiver(
        spans,
        decoders,
        Load(settings.ingest_max_requests, settings.ingest_max_bytes),
        settings.acknowledge_seconds,
    )
    compactor = Compactor(
        spans, receiver.arrived, clock, int(settings.retention_hours * NS_PER_HOUR)
    )
    window, process = int(settings.window_hours * NS_PER_HOUR), sortable_id(clock())
    live = LiveGraph(
        spans,
        app.graphs,
        app.scans.publisher,
        watchers,
        clock,
        window,
        compactor.compacted,
        unit_of_work,
        process,
    )
    await asyncio.to_thread(app.uploaded.sweep, await app.jobs.store.unfinished())
    embedded = EmbeddedRunner(app.attempts) if settings.celery_broker_url is None else None
    delivery = embedded or dispatcher_of(settings)
    sweep = Sweep(app.jobs.store, delivery, clock, settings.job_lease_seconds, app.attempts.clear)
    stack.push_async_callback(_settle_at_last, spans)
    tasks = await stack.enter_async_context(task_group())
    warming = tasks.create_task(_warm(decoders))
    running = [] if embedded is None else [embedded.run]
    looping = (compactor.run, live.run, sweep.run, app.outbox.run, *running)
    loops = [tasks.create_task(loop()) for loop in looping]
    receiving = tasks.create_task(receiver.run())
    stack.push_async_callback(_stop, receiver, receiving, [warming, *loops])
    serving = Serving(receiver, spans, live, compactor, sweep, delivery)
    parts = (
        *app.parts,
        *broker_part(delivery, settings),
        *serving_parts(serving, warming, (decoders, watchers, app.scans.workers)),
    )
    return replace(app, jobs=replace(app.jobs, wake=sweep.wake), serving=serving, parts=parts)


async def _stop(
    receiver: Receiver, receiving: asyncio.Task[None], loops: list[asyncio.Task[None]]
) -> None:
    """Answer what was taken in, then stop the rest."""
    receiver.close()
    await asyncio.wait([receiving])
    for loop in loops:
        loop.cancel()


async def _settle_at_last(spans: SpanStore) -> None:
    """Leave no bodies behind; should that fail, the next start does it."""
    try:
        await spans.compact()
    except (OSError, AgentGuardError):
        log.exception("last_compaction_failed")


async def _warm(decoders: Pool[Any]) -> None:
    """Start the process that decodes ahead of the first delivery.

    One that dies is started again when it is needed.
    """
    try:
        await decoders.run(no_op)
    except WorkerDiedError as error:
        log.warning("worker_died_while_starting", error=str(error))


def _workers(stack: AsyncExitStack, prepare: Callable[[], S], *, separate: bool) -> Pool[S]:
    workers: ProcessPool[S] | ThreadPool[S] = (
        ProcessPool(prepare) if separate else ThreadPool(prepare)
    )
    stack.callback(workers.close)
    return workers
