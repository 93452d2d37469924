"""Opens where graphs and jobs are stored, and joins what follows from storing them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from agentguard.adapters.files.live_demand import FileLiveDemand
from agentguard.adapters.sql.unit_of_work import SqlStores, SqlUnitOfWork
from agentguard.bootstrap.app import Shared
from agentguard.bootstrap.retention import cited_version
from agentguard.bootstrap.wiring import (
    coordination,
    import_former_graphs,
    open_neo4j_database,
    projection_in,
    run_store,
)
from agentguard.catalog.loading import load_catalogs
from agentguard.catalog.model import Catalog
from agentguard.coordination.dispatching import Dispatcher, Handler
from agentguard.coordination.notices import Notices
from agentguard.graph.projection import GraphProjection, Projector
from agentguard.graph.storage.publishing import (
    GRAPH_STORED,
    PROJECTION,
    GraphPublisher,
    graph_notices,
)
from agentguard.graph.storage.unstored import UnstoredVersions
from agentguard.graph.storage.versions import Graphs
from agentguard.incidents.recording import INCIDENT_CHANGED, incident_notices
from agentguard.jobs.transactions import TOPIC as JOB_CHANGED
from agentguard.jobs.transactions import JobTransactions, job_notices
from agentguard.settings import Settings
from agentguard.simulation.failures_by_hour import failures_by_hour


@dataclass(frozen=True, slots=True)
class Storage:
    """Where graphs and jobs are stored, what follows from storing one, what processes share."""

    unit_of_work: SqlUnitOfWork
    catalog: Catalog | None
    graphs: Graphs
    publisher: GraphPublisher[SqlStores]
    jobs: JobTransactions
    outbox: Dispatcher
    projection: GraphProjection | None
    shared: Shared


async def open_storage(
    stack: AsyncExitStack, settings: Settings, unit_of_work: SqlUnitOfWork
) -> Storage:
    clock = unit_of_work.clock
    shared = await coordination(stack, settings)
    catalog = await asyncio.to_thread(load_catalogs, settings.catalog)
    neo4j = await open_neo4j_database(stack, settings)
    await import_former_graphs(neo4j, settings, unit_of_work)
    projection = projection_in(neo4j, catalog, clock)
    unstored = UnstoredVersions(FileLiveDemand(settings.data_dir))
    graphs = Graphs(unit_of_work, run_store(settings, clock), unstored=unstored)
    outbox = Dispatcher(unit_of_work, _handlers(shared.notices, graphs, projection), clock)
    publisher = GraphPublisher(
        unit_of_work,
        graphs.run_store,
        graphs.recent,
        outbox,
        projected=projection is not None,
        failures=failures_by_hour,
    )
    jobs = JobTransactions(unit_of_work, outbox, shared.notices, cited_version)
    return Storage(unit_of_work, catalog, graphs, publisher, jobs, outbox, projection, shared)


def _handlers(
    notices: Notices, graphs: Graphs, projection: GraphProjection | None
) -> dict[str, Handler]:
    """Return the explicit table of what follows a transaction: topic → handler."""
    handlers = {
        GRAPH_STORED: graph_notices(notices),
        JOB_CHANGED: job_notices(notices),
        INCIDENT_CHANGED: incident_notices(notices),
    }
    if projection is not None:
        handlers[PROJECTION] = Projector(graphs, projection).handle
    return handlers
