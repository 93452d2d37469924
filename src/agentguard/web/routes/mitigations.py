"""GET and POST /api/mitigations."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from agentguard.accounts.principal import Permission
from agentguard.web.auth import ActorOf
from agentguard.web.failing import failure_of
from agentguard.web.permissions import requires
from agentguard.web.response_cache import Compute
from agentguard.web.schemas.mitigations import MitigationsAnswer
from agentguard.web.schemas.requests import FailureRequest
from agentguard.web.selection import SelectionQuery
from agentguard.web.state import StateOf

router = APIRouter(prefix="/api", tags=["analysis"])


@router.get(
    "/mitigations",
    operation_id="get_mitigations",
    dependencies=[requires(Permission.READ)],
    response_model=MitigationsAnswer,
)
async def get_mitigations(state: StateOf, actor: ActorOf, selection: SelectionQuery) -> Response:
    """Return what would help most: spares, shared fates removed, retries; each simulated."""
    selected = await state.app.graph.select(selection)
    compute = partial(state.app.mitigations.of_graph, actor, selected)
    return await state.answer(selected, "mitigations", None, compute)


@router.post(
    "/mitigations",
    operation_id="post_mitigations",
    dependencies=[requires(Permission.SIMULATE)],
    response_model=MitigationsAnswer,
)
async def post_mitigations(wanted: FailureRequest, state: StateOf, actor: ActorOf) -> Response:
    """Return what would save runs while these components are out; `background` is ignored."""
    simulations, failure = state.app.simulations, failure_of(state, wanted)
    selected = await simulations.select(actor, failure)

    def resolve() -> tuple[object, Compute]:
        resolved = simulations.resolve_in(selected, failure)
        return resolved.parameters, partial(state.app.mitigations.of_failure, actor, resolved)

    return await state.answer_named(selected, "mitigate", failure.question, resolve)
