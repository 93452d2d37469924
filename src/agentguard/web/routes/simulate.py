"""POST /api/simulate."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from agentguard.accounts.principal import Permission
from agentguard.web.auth import ActorOf
from agentguard.web.failing import failure_of
from agentguard.web.permissions import requires
from agentguard.web.response_cache import Compute
from agentguard.web.routes.jobs import ACCEPTED, accepted
from agentguard.web.schemas.requests import FailureRequest
from agentguard.web.schemas.simulation import SimulationDocument
from agentguard.web.state import StateOf

router = APIRouter(prefix="/api", tags=["simulation"])


@router.post(
    "/simulate",
    operation_id="simulate",
    dependencies=[requires(Permission.SIMULATE)],
    response_model=SimulationDocument,
    responses=ACCEPTED,
)
async def post_simulate(wanted: FailureRequest, state: StateOf, actor: ActorOf) -> Response:
    """Simulate the failure of components.

    Returns the impacted components, and the workflows with the share of runs that each loses.
    """
    simulations, failure = state.app.simulations, failure_of(state, wanted)
    if wanted.background:
        return accepted(await simulations.submit(actor, failure))
    selected = await simulations.select(actor, failure)

    def resolve() -> tuple[object, Compute]:
        resolved = simulations.resolve_in(selected, failure)
        return resolved.parameters, partial(simulations.simulate, actor, resolved)

    return await state.answer_named(selected, "simulate", failure.question, resolve)
