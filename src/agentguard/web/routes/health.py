"""GET /health, /health/live, /health/ready."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from agentguard.kernel.errors import AgentGuardError
from agentguard.web.schemas.documents import Health
from agentguard.web.state import DocumentResponse, State, StateOf

router = APIRouter(tags=["about"])

_DOWN: dict[int | str, dict[str, Any]] = {503: {"model": Health, "description": "Some part does not work."}}
_UP: dict[str, Any] = {"status": "up", "detail": None}


@router.get("/health/live", response_model=Health)
async def live() -> Response:
    """Whether the process answers at all."""
    return DocumentResponse({"status": "up", "parts": {}})


@router.get("/health", response_model=Health, responses=_DOWN)
async def health(state: StateOf) -> Response:
    """How everything is, part by part; 503 if something is down."""
    parts = await _parts(state)
    return DocumentResponse(parts, 503 if parts["status"] == "down" else 200)


@router.get("/health/ready", response_model=Health, responses=_DOWN)
async def ready(state: StateOf) -> Response:
    """The same; 503 unless everything is up."""
    parts = await _parts(state)
    return DocumentResponse(parts, 200 if parts["status"] == "up" else 503)


async def _parts(state: State) -> dict[str, Any]:
    parts = {
        "database": await _database(state),
        "spans": _loop(state.serving.upkeep.failure),
        "live_graph": _loop(state.serving.live.failure),
        "workers": _workers(state),
    }
    worst = next((s for s in ("down", "starting") if any(part["status"] == s for part in parts.values())), "up")
    return {"status": worst, "parts": parts}


async def _database(state: State) -> dict[str, Any]:
    try:
        await state.app.graphs.datasets()
    except (OSError, AgentGuardError) as error:
        return _down(type(error).__name__)
    return _UP


def _loop(failure: str | None) -> dict[str, Any]:
    return _UP if failure is None else _down(failure)


def _workers(state: State) -> dict[str, Any]:
    return _UP if state.serving.warming.done() else {"status": "starting", "detail": "Worker processes are starting."}


def _down(detail: str) -> dict[str, Any]:
    return {"status": "down", "detail": f"{detail}; the log says more."}
