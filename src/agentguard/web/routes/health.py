"""GET /health, /health/live, /health/ready."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from agentguard.health import Condition, Status, health_document, worst
from agentguard.web.permissions import PUBLIC
from agentguard.web.schemas.about import Health
from agentguard.web.state import DocumentResponse, StateOf

router = APIRouter(tags=["about"])

_DOWN: dict[int | str, dict[str, Any]] = {
    503: {"model": Health, "description": "A part of the server is not available."}
}


@router.get(
    "/health/live", operation_id="get_liveness", dependencies=[PUBLIC], response_model=Health
)
async def live() -> Response:
    """Return 200 while the process runs."""
    return DocumentResponse(health_document({}))


@router.get(
    "/health",
    operation_id="get_health",
    dependencies=[PUBLIC],
    response_model=Health,
    responses=_DOWN,
)
async def health(state: StateOf) -> Response:
    """Check every part of the server; 503 if one is down."""
    return _answer(await state.checkup.conditions(), unavailable=(Status.DOWN,))


@router.get(
    "/health/ready",
    operation_id="get_readiness",
    dependencies=[PUBLIC],
    response_model=Health,
    responses=_DOWN,
)
async def ready(state: StateOf) -> Response:
    """Check every part of the server; 503 unless all are up."""
    return _answer(await state.checkup.conditions(), unavailable=(Status.DOWN, Status.STARTING))


def _answer(conditions: Mapping[str, Condition], *, unavailable: tuple[Status, ...]) -> Response:
    status = 503 if worst(conditions) in unavailable else 200
    return DocumentResponse(health_document(conditions), status)
