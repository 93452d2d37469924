"""Opens the application and closes it in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import structlog

from agentguard.adapters.files.folders import restrict_existing
from agentguard.adapters.files.processes import registered
from agentguard.adapters.files.spans import FileSpanReader, open_span_store
from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.refused_access import RefusedAccess
from agentguard.audit.service import AuditService
from agentguard.bootstrap.accounts import accounts_of, storing_uses
from agentguard.bootstrap.anchoring import anchoring_of, audit_loops
from agentguard.bootstrap.app import PERMISSIONS, App, Serving
from agentguard.bootstrap.audit_health import audit_parts
from agentguard.bootstrap.auditing import sequenced_at_last, witnesses_of
from agentguard.bootstrap.broker import dispatcher_of, embedded_runner
from agentguard.bootstrap.conditions import condition_watch
from agentguard.bootstrap.health_checks import (
    broker_part,
    database_part,
    projection_part,
    redis_part,
    serving_parts,
)
from agentguard.bootstrap.language_models import refiner_of
from agentguard.bootstrap.notification_health import notifications_part
from agentguard.bootstrap.notifications import notification_dispatchers, receivers_of
from agentguard.bootstrap.retention import kept_data, version_retention
from agentguard.bootstrap.scanning import scans_of
from agentguard.bootstrap.startup_facts import COMMAND, SERVER, WORKER, enter_startup_facts
from agentguard.bootstrap.storage import Storage, open_storage
from agentguard.bootstrap.wiring import make_folder, postgresql, refuse_empty
from agentguard.catalog.loading import load_catalogs
from agentguard.catalog.views import viewer
from agentguard.compute.pools import (
    Pool,
    ProcessPool,
    TaskLimits,
    ThreadPool,
    WorkerDiedError,
    no_op,
)
from agentguard.compute.tasks import task_group
from agentguard.coordination.turns import Turn
from agentguard.discovery.dialects.loading import Dialects
from agentguard.discovery.dialects.users import dialects_with, tables_with
from agentguard.graph.evidence_links import trace_links
from agentguard.graph.projection import Projector
from agentguard.graph.storage.dataset_deletion import DatasetService
from agentguard.graph.storage.store import LIVE
from agentguard.health import HealthCheck
from agentguard.ingest.decoding import Decoder
from agentguard.jobs.dispatch import JobDispatcher
from agentguard.jobs.queue import Jobs
from agentguard.jobs.sweep import Sweep
from agentguard.kernel.clock import NS_PER_HOUR, Clock, system_clock
from agentguard.kernel.errors import AgentGuardError, UnavailableError
from agentguard.kernel.ids import sortable_id
from agentguard.playbooks.templates import load_templates
from agentguard.retention.housekeeping import HOUSEKEEPING, Housekeeping
from agentguard.retention.service import RetentionService
from agentguard.scan.documents import ScanDocuments, UnstoredScans
from agentguard.scan.explaining import StoredTraces
from agentguard.scan.incremental import IncrementalGraph
from agentguard.scan.live import SETTLING, LiveGraph, LiveLimits, StoredLiveWindows
from agentguard.scan.live_summary import LiveSummary
from agentguard.settings import Settings
from agentguard.traces.compaction import Compactor
from agentguard.traces.receiver import Load, Receiver
from agentguard.traces.store import SpanStore
from agentguard.traces.validation import decode_accepted, make_decoder

S = TypeVar("S")
Loop: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_app(
    settings: Settings,
    *,
    serving: bool = False,
    in_processes: bool = True,
    create: bool = True,
    clock: Clock = system_clock,
    worker: bool = False,
) -> AsyncIterator[App]:
    """Open the data directory, migrating an older database, and close it in order.

    With `serving`, also receive spans, keep the live graph and run jobs; any number of processes
    can do this. `in_processes=False` keeps all work in this process. `create=False` creates neither
    a folder nor a database, and signs nothing of the audit log that was pending before. With
    `worker`, this process runs jobs of others. Raises
    DataDirectoryError, NoDataError (if `create` is False and there is no database),
    InvalidDialectsError and the errors of configured services that are unusable.
    """
    if settings.dialects:
        await asyncio.to_thread(tables_with, settings.dialects)
    async with AsyncExitStack() as stack:
        make_folder(settings.data_dir) if create else refuse_empty(settings)
        if serving:
            await asyncio.to_thread(restrict_existing, settings.data_dir)
        database = await stack.enter_async_context(
            open_database(settings.data_dir, postgresql(settings))
        )
        storage = await open_storage(stack, settings, SqlUnitOfWork(database, clock))
        await _enter(settings, storage, serving=serving, worker=worker, create=create)
        app = _application(stack, settings, storage, separate=serving and in_processes)
        if not serving:
            async with sequenced_at_last(settings, storage.unit_of_work, changing=create):
                yield app
            return
        await _begin(stack, app)
        app = replace(app, parts=(database_part(database, settings), *_shared_parts(app)))
        app = await _serving(stack, app, storage.unit_of_work, separate=in_processes)
        yield app


async def _enter(
    settings: Settings, storage: Storage, *, serving: bool, worker: bool, create: bool
) -> None:
    """Enter what this process sees at its start into the audit log; questions enter nothing."""
    if serving or worker or create:
        kind = SERVER if serving else WORKER if worker else COMMAND
        await enter_startup_facts(settings, storage.catalog, storage.unit_of_work, kind)


def dialects_of_settings(settings: Settings) -> Dialects:
    """Return the rules that these settings select; raise InvalidDialectsError."""
    return _loader(settings)()


def unstored_scans(settings: Settings) -> UnstoredScans:
    """Return what scans without a data directory.

    Raises CatalogFormatError, InvalidDialectsError.
    """
    catalog = load_catalogs(settings.catalog)
    view_of = viewer(catalog, trace_links(settings.trace_url))
    return UnstoredScans(dialects_of_settings(settings), ScanDocuments(view_of))


def _application(
    stack: AsyncExitStack, settings: Settings, storage: Storage, *, separate: bool
) -> App:
    """Return the application over its storage; `separate` scans in processes of their own."""
    load = _loader(settings)
    dialects, clock = cache(load), storage.unit_of_work.clock
    # Of their own: no kind of work waits for another, and no small scan for a large one.
    small, large, queries = (
        _workers(stack, load if separate else dialects, separate=separate) for _ in range(3)
    )
    scans = scans_of(settings, storage, small, large, dialects)
    return App(
        settings,
        storage.graphs,
        storage.catalog,
        trace_links(settings.trace_url),
        scans,
        storage.shared,
        Jobs(storage.jobs, clock, PERMISSIONS),
        StoredLiveWindows(FileSpanReader(settings.data_dir), queries, settings.window_max_requests),
        _stored_traces(settings, queries),
        storage.outbox,
        RetentionService(kept_data(settings, storage.unit_of_work, storage.graphs)),
        _datasets(settings, storage),
        AuditService(storage.unit_of_work),
        witnesses_of(settings),
        accounts_of(settings, storage.unit_of_work),
        anchoring_of(settings, storage.unit_of_work),
        load_templates(settings.playbooks),
        refiner_of(settings, clock),
        receivers_of(settings, clock),
        storage.projection,
    )


def _datasets(settings: Settings, storage: Storage) -> DatasetService:
    retention = version_retention(settings, storage.graphs)
    return DatasetService(storage.unit_of_work, retention, storage.outbox)


def _loader(settings: Settings) -> Callable[[], Dialects]:
    """Return what loads the rules, also in another process."""
    return partial(
        _dialects, settings.dialects, settings.housekeeping, join_traces=settings.join_traces
    )


def _dialects(paths: tuple[Path, ...], housekeeping: str | None, *, join_traces: bool) -> Dialects:
    return replace(dialects_with(paths, housekeeping), join_traces=join_traces)


def _stored_traces(settings: Settings, workers: Pool[Dialects]) -> StoredTraces:
    window = int(settings.window_hours * NS_PER_HOUR)
    return StoredTraces(FileSpanReader(settings.data_dir), workers, window)


async def _begin(stack: AsyncExitStack, app: App) -> None:
    """Begin what a server does whatever it serves."""
    await stack.enter_async_context(storing_uses(app.accounts))
    await _show_newest(app)


async def _show_newest(app: App) -> None:
    """Show the newest graph in the projection; if that fails, the outbox does it later."""
    if app.projection is None:
        return
    try:
        await Projector(app.graphs, app.projection).start()
    except UnavailableError as error:
        log.warning("projection_pending", error=str(error))


async def _serving(
    stack: AsyncExitStack, app: App, unit_of_work: SqlUnitOfWork, *, separate: bool
) -> App:
    settings, clock = app.settings, app.scans.clock
    decoders = _decoders(stack, app, separate=separate)
    watchers = _watchers(stack, app, separate=separate)
    spans = await _span_store(stack, app, decoders)
    receiver = _receiver(settings, spans, decoders)
    compactor = Compactor(spans, receiver.arrived)
    turn = _turns(stack, app, unit_of_work)
    live = _live_graph(app, spans, watchers, compactor, turn(LIVE), unit_of_work)
    housekeeping = Housekeeping(app.retention.kept, clock, turn(HOUSEKEEPING))
    refused = RefusedAccess(clock)
    embedded = embedded_runner(app)
    dispatcher = embedded or dispatcher_of(settings)
    sweep = _sweep(app, dispatcher)
    app = replace(app, jobs=replace(app.jobs, wake=sweep.wake))
    stack.push_async_callback(_compact_at_last, spans)
    tasks = await stack.enter_async_context(task_group())
    warming = tasks.create_task(_warm(decoders))
    looping = [compactor.run, live.run, sweep.run, housekeeping.run]
    sequencer, auditing = await audit_loops(app, unit_of_work, turn, refused)
    looping += [*auditing, embedded.run] if embedded else auditing
    looping += _outbox_loops(app, unit_of_work)
    loops = [tasks.create_task(loop()) for loop in looping]
    receiving = tasks.create_task(receiver.run())
    stack.push_async_callback(_stop, receiver, receiving, [warming, *loops])
    serving = Serving(
        receiver, spans, live, compactor, sweep, dispatcher, housekeeping, sequencer, refused
    )
    parts = _parts(app, serving, warming, (decoders, watchers, *app.workers))
    return replace(app, serving=serving, parts=parts)


def _outbox_loops(app: App, unit_of_work: SqlUnitOfWork) -> list[Loop]:
    """Return what handles the outbox: receivers of notifications delay nothing else."""
    told = notification_dispatchers(app.settings, unit_of_work, app.receivers)
    return [each.run for each in (app.outbox, *told)]


async def _span_store(stack: AsyncExitStack, app: App, decoders: Pool[Decoder]) -> SpanStore:
    opened = open_span_store(
        app.settings.data_dir,
        partial(decode_accepted, decoders),
        app.scans.clock,
        keep_bodies=app.settings.keep_content,
    )
    return await stack.enter_async_context(opened)


def _shared_parts(app: App) -> tuple[HealthCheck, ...]:
    return *projection_part(app.projection), *redis_part(app.shared)


def _parts(
    app: App, serving: Serving, warming: asyncio.Task[None], workers: tuple[Pool[Any], ...]
) -> tuple[HealthCheck, ...]:
    """Return what must work for a server to be ready."""
    return (
        *app.parts,
        *broker_part(serving.dispatcher, app.settings),
        *serving_parts(serving, warming, workers, app.settings),
        *audit_parts(app, serving),
        *notifications_part(app),
    )


def _receiver(settings: Settings, spans: SpanStore, decoders: Pool[Decoder]) -> Receiver:
    load = Load(settings.ingest_max_requests, settings.ingest_max_bytes)
    return Receiver(spans, decoders, load, settings.acknowledge_seconds)


def _watchers(stack: AsyncExitStack, app: App, *, separate: bool) -> Pool[IncrementalGraph]:
    """Return workers of their own: a long scan must not keep acknowledged spans from showing."""
    load = _loader(app.settings) if separate else app.scans.dialects
    return _workers(stack, partial(_incremental_graph, load), separate=separate)


def _incremental_graph(load: Callable[[], Dialects]) -> IncrementalGraph:
    return IncrementalGraph(load(), settling=SETTLING)


def _decoders(stack: AsyncExitStack, app: App, *, separate: bool) -> Pool[Decoder]:
    seconds = app.settings.decode_seconds
    limits = TaskLimits(seconds, 2 * seconds)
    return _workers(
        stack, partial(make_decoder, app.dialects.wanted), separate=separate, limits=limits
    )


def _sweep(app: App, dispatcher: JobDispatcher) -> Sweep:
    lease = app.settings.job_lease_seconds
    return Sweep(app.jobs.store, dispatcher, app.scans.clock, lease, app.attempts.clear)


def _turns(stack: AsyncExitStack, app: App, unit_of_work: SqlUnitOfWork) -> Callable[[str], Turn]:
    """Return what makes this process's claims to work that only one process does."""
    name = sortable_id(app.scans.clock())
    processes = stack.enter_context(registered(app.settings.data_dir, name))
    return partial(Turn, unit_of_work=unit_of_work, processes=processes)


def _live_graph(
    app: App,
    spans: SpanStore,
    workers: Pool[IncrementalGraph],
    compactor: Compactor,
    turn: Turn,
    unit_of_work: SqlUnitOfWork,
) -> LiveGraph:
    return LiveGraph(
        spans,
        app.graphs,
        app.scans.publisher,
        app.notices,
        workers,
        app.scans.clock,
        LiveLimits(
            int(app.settings.window_hours * NS_PER_HOUR),
            app.settings.live_cpu_share,
            app.settings.live_store_seconds,
            app.settings.live_max_spans,
        ),
        compactor.compacted,
        turn,
        summary=LiveSummary(unit_of_work, app.scans.clock),
        watch=condition_watch(app),
    )


async def _stop(
    receiver: Receiver, receiving: asyncio.Task[None], loops: list[asyncio.Task[None]]
) -> None:
    """Answer the requests that were accepted, then stop the loops."""
    receiver.close()
    await asyncio.wait([receiving])
    for loop in loops:
        loop.cancel()


async def _compact_at_last(spans: SpanStore) -> None:
    """Compact what is left, so that no bodies stay; if that fails, the next start does it."""
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


def _workers(
    stack: AsyncExitStack,
    prepare: Callable[[], S],
    *,
    separate: bool,
    limits: TaskLimits | None = None,
) -> Pool[S]:
    workers: ProcessPool[S] | ThreadPool[S] = (
        ProcessPool(prepare, limits) if separate else ThreadPool(prepare)
    )
    stack.callback(workers.close)
    return workers
