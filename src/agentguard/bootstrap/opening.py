"""Opens everything and closes it in good order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import cache, partial
from typing import Any, TypeVar

import structlog

from agentguard.adapters.files.spans import open_span_store
from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.jobs import SqlJobStore
from agentguard.adapters.sql.leases import SqlLeases
from agentguard.bootstrap.app import App, Serving
from agentguard.bootstrap.broker import dispatcher_of
from agentguard.bootstrap.health_checks import (
    broker_part,
    database_part,
    graphs_part,
    redis_part,
    serving_parts,
)
from agentguard.bootstrap.wiring import coordination, graph_store, make_folder, postgresql
from agentguard.catalog.loading import load_catalogs
from agentguard.compute.pools import Pool, ProcessPool, ThreadPool, WorkerDiedError, no_op
from agentguard.compute.tasks import task_group
from agentguard.discovery.dialects.loading import load_dialects
from agentguard.graph.evidence_links import trace_links
from agentguard.graph.publishing import AnnouncedGraphs
from agentguard.graph.store import GraphStore
from agentguard.jobs.embedded import EmbeddedRunner
from agentguard.jobs.publishing import AnnouncingJobStore
from agentguard.jobs.queue import Jobs
from agentguard.jobs.sweep import Sweep
from agentguard.kernel.clock import NS_PER_HOUR, Clock, system_clock
from agentguard.kernel.errors import AgentGuardError, UnavailableError
from agentguard.kernel.ids import sortable_id
from agentguard.scan.live import LiveGraph
from agentguard.scan.service import ScanService
from agentguard.settings import Settings
from agentguard.traces.compaction import Compactor
from agentguard.traces.receiver import Load, Receiver
from agentguard.traces.store import SpanStore
from agentguard.traces.validation import make_decoder, decode_accepted

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
        shared = await coordination(stack, settings)
        load = partial(load_dialects, settings.housekeeping)
        dialects = cache(load)
        workers = _workers(
            stack,
            dialects if not (serving and in_processes) else load,
            separate=serving and in_processes,
        )
        catalog = await asyncio.to_thread(load_catalogs, settings.catalog)
        graphs = AnnouncedGraphs(
            await graph_store(stack, settings, database, catalog, clock), shared.notices
        )
        scans = ScanService(graphs, workers, clock, dialects, settings.max_upload_bytes)
        jobs = Jobs(AnnouncingJobStore(SqlJobStore(database), shared.notices), clock)
        app = App(settings, graphs, catalog, trace_links(settings.trace_url), scans, shared, jobs)
        if not serving:
            yield app
            return
        await _sweep(graphs)
        app = replace(
            app,
            parts=(
                database_part(database, settings),
                *graphs_part(graphs, settings),
                *redis_part(shared),
            ),
        )
        yield await _serving(stack, app, SqlLeases(database, clock), separate=in_processes)


async def _sweep(graphs: GraphStore) -> None:
    """Clear up after writers that died; where the store is away, the next start does it."""
    try:
        await graphs.sweep()
    except UnavailableError as error:
        log.warning("sweep_put_off", error=str(error))


async def _serving(stack: AsyncExitStack, app: App, leases: SqlLeases, *, separate: bool) -> App:
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
        spans, app.graphs, watchers, clock, window, compactor.compacted, leases, process
    )
    await asyncio.to_thread(app.uploaded.sweep, await app.jobs.store.unfinished())
    embedded = EmbeddedRunner(app.attempts) if settings.celery_broker_url is None else None
    delivery = embedded or dispatcher_of(settings)
    sweep = Sweep(app.jobs.store, delivery, clock, settings.job_lease_seconds, app.attempts.clear)
    stack.push_async_callback(_settle_at_last, spans)
    tasks = await stack.enter_async_context(task_group())
    warming = tasks.create_task(_warm(decoders))
    running = [] if embedded is None else [embedded.run]
    loops = [tasks.create_task(loop()) for loop in (compactor.run, live.run, sweep.run, *running)]
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
