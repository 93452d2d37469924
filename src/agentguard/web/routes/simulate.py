"""POST /api/simulate."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from agentguard.accounts.principal import Permission
from agentguard.graph.store import GraphVersion
from agentguard.simulation.service import KIND, Failure
from agentguard.web.auth import ActorOf
from agentguard.web.permissions import requires
from agentguard.web.response_cache import Question
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
    """What breaks if these components fail.

    Who is hit, which workflows lose what share of their runs.
    """
    asked = wanted.failure()
    version, failure = await state.app.simulations.found(asked)
    if wanted.background:
        return accepted(await state.app.jobs.submit(actor, KIND, asked.request()))
    return await state.answer(
        question(version, "simulate", failure),
        partial(state.app.simulations.document, version, failure),
    )


def question(version: GraphVersion, endpoint: str, failure: Failure) -> Question:
    """Return the question about a failure that was found in this graph.

    By which name its dataset was asked for makes no other answer.
    """
    return Question(version.id, endpoint, replace(failure, dataset=None))
