"""GET /api/incidents/stream: Server-Sent Events about changes of incidents."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.sse import EventSourceResponse, ServerSentEvent

from agentguard.accounts.principal import Permission
from agentguard.incidents.recording import INCIDENT_CHANGED
from agentguard.incidents.store import IncidentsStamp
from agentguard.kernel.clock import timestamp
from agentguard.web.permissions import requires
from agentguard.web.state import StateOf
from agentguard.web.streams import event_stream

router = APIRouter(prefix="/api/incidents", tags=["incidents"])


@router.get(
    "/stream",
    operation_id="stream_incident_events",
    dependencies=[requires(Permission.READ)],
    response_class=EventSourceResponse,
    responses=event_stream("`incidents`, whose data is an IncidentsEvent."),
)
async def get_incident_stream(state: StateOf) -> AsyncIterator[ServerSentEvent]:
    """Stream events `incidents`: at once, then whenever an incident is opened, changed or deleted.

    Changes that follow each other closely may be one event.
    """
    last: IncidentsStamp | None = None
    async for _ in state.streams.looks(INCIDENT_CHANGED):
        stamp = await state.app.incident_views.stamp()
        if stamp != last:
            changed_at = timestamp(stamp.changed_at)
            yield ServerSentEvent(
                event="incidents", data={"incidents": stamp.incidents, "changed_at": changed_at}
            )
        last = stamp
