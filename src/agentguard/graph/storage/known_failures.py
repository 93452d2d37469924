"""What the newest stored version of a dataset knows of failures in earlier windows."""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa
import structlog

from agentguard.graph.errors import DamagedRunsError
from agentguard.graph.runs import FAILURE_SCHEMA
from agentguard.graph.storage.store import GraphVersions, RunStore
from agentguard.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)


class VersionStores(Protocol):
    """What finding the newest version needs."""

    @property
    def graphs(self) -> GraphVersions: ...


async def known_failures(
    unit_of_work: UnitOfWork[VersionStores], run_store: RunStore, dataset: str
) -> pa.Table:
    """Return the failures (FAILURE_SCHEMA) that the dataset's newest stored version knows.

    Empty for a new dataset, and, with a warning, where the file is damaged.
    """
    version_id = await unit_of_work.read(lambda stores: stores.graphs.newest_id(dataset))
    if version_id is None:
        return FAILURE_SCHEMA.empty_table()
    try:
        return await run_store.failures(version_id)
    except DamagedRunsError as error:
        log.warning("failure_history_lost", graph_version=version_id, error=str(error))
        return FAILURE_SCHEMA.empty_table()
