"""GET /health, /health/live, /health/ready."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from agentguard.kernel.errors import AgentGuardError
from agentguard.web.schemas.documents import Health
from agentguard.web.state import DocumentResponse, State, StateOf

router = APIRouter(tags=["about"])

_UP: dict[str, Any] = {"status": "up", "detail": None}


@router.get("/health/live", response_model=Health)
async def live() -> Response:
    """Whether the process answers at all."""
    return DocumentResponse({"status": "up", "parts": {}})


@router.get("/health", response_model=Health)
@router.get("/health/ready", response_model=Health, responses={503: {"model": Health, "description": "Some part is not ready."}})
async def ready(state: StateOf) -> Response:
    """Whether everything works, part by part; 503 if not."""
    parts = {
        "database": await _database(state),
        "spans": _loop(state.serving.upkeep.failure),
        "live_graph": _loop(state.serving.live.failure),
        "workers": _workers(state),
    }
    worst = next((s for s in ("down", "starting") if any(part["status"] == s for part in parts.values())), "up")
    return DocumentResponse({"status": worst, "parts": parts}, 200 if worst == "up" else 503)


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
