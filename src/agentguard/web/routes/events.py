"""GET /api/events: Server-Sent Events about new graph versions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from agentguard.accounts.principal import Permission
from agentguard.graph.storage.publishing import GRAPH_STORED
from agentguard.graph.storage.store import LIVE, Dataset
from agentguard.web.permissions import requires
from agentguard.web.state import StateOf
from agentguard.web.streams import event_stream

router = APIRouter(prefix="/api", tags=["graph"])

DatasetParameter = Annotated[
    str | None,
    Query(
        description="Only events of this dataset, which need not exist yet. Default: all datasets."
    ),
]


@router.get(
    "/events",
    operation_id="stream_graph_events",
    dependencies=[requires(Permission.READ)],
    response_class=EventSourceResponse,
    responses=event_stream("`graph`, whose data is a GraphEvent."),
)
async def get_events(
    state: StateOf, dataset: DatasetParameter = None
) -> AsyncIterator[ServerSentEvent]:
    """Stream events `graph`, each with `dataset` and `graph_version`.

    At once the newest version of the dataset or, without one, of `live` where it has a graph, else
    of the dataset last written. Then each new version.
    """
    last_seen: dict[str, str] | None = None
    async for _ in state.streams.looks(GRAPH_STORED):
        found = [each for each in await state.app.graphs.datasets() if dataset in (None, each.name)]
        for each in _news(found, last_seen):
            yield ServerSentEvent(
                event="graph", data={"dataset": each.name, "graph_version": each.newest_version}
            )
        last_seen = {each.name: each.newest_version for each in found}


def _news(found: list[Dataset], last_seen: dict[str, str] | None) -> list[Dataset]:
    """Return the datasets with a new version, the oldest first.

    At first only the default one: `live` where it has a graph, else the one last written.
    """
    if last_seen is None:
        return [each for each in found if each.name == LIVE] or found[:1]
    return [each for each in reversed(found) if last_seen.get(each.name) != each.newest_version]
