"""POST /api/simulate."""

from __future__ import annotations

from fastapi import APIRouter

from agentguard.simulation.service import KIND
from agentguard.web.routes.jobs import ACCEPTED, accepted
from agentguard.web.schemas.documents import SimulationDocument
from agentguard.web.schemas.requests import FailureRequest
from agentguard.web.state import DocumentResponse, StateOf

router = APIRouter(prefix="/api", tags=["simulation"])


@router.post("/simulate", response_model=SimulationDocument, responses=ACCEPTED)
async def post_simulate(wanted: FailureRequest, state: StateOf) -> DocumentResponse:
    """What breaks if these components fail: who is hit, which workflows lose what share of their runs."""
    asked = wanted.failure()
    version, failure = await state.app.simulations.found(asked)
    if wanted.background:
        return accepted(await state.app.jobs.submit(KIND, asked.request()))
    return DocumentResponse(await state.app.simulations.document(version, failure))
