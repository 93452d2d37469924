"""GET /metrics."""

from __future__ import annotations

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from agentguard.accounts.principal import Permission
from agentguard.bootstrap.audit_health import audit_condition
from agentguard.bootstrap.notification_health import notification_counts
from agentguard.web.permissions import requires
from agentguard.web.state import StateOf

router = APIRouter(tags=["about"])


@router.get(
    "/metrics",
    operation_id="get_metrics",
    dependencies=[requires(Permission.READ)],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(state: StateOf) -> Response:
    """Return the metrics for Prometheus."""
    state.metrics.tell_health(await state.checkup.conditions())
    state.metrics.tell_notifications(await notification_counts(state.app))
    state.metrics.tell_audit(await audit_condition(state.app, state.serving))
    return Response(generate_latest(state.metrics), media_type=CONTENT_TYPE_LATEST)
