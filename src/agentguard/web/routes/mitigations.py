"""What to do about failures before they come: mitigations and game days."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from agentguard.accounts.principal import Permission
from agentguard.web.auth import ActorOf
from agentguard.web.failing import failure_of
from agentguard.web.permissions import requires
from agentguard.web.response_cache import Compute
from agentguard.web.schemas.mitigations import GameDaysAnswer, MitigationsAnswer
from agentguard.web.schemas.requests import FailureRequest
from agentguard.web.selection import SelectionQuery
from agentguard.web.state import StateOf

SeedParameter = Annotated[
    int, Query(ge=0, le=2**63 - 1, description="Random seed. The same seed gives the same answer.")
]

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


@router.get(
    "/game-days",
    operation_id="get_game_days",
    dependencies=[requires(Permission.SIMULATE)],
    response_model=GameDaysAnswer,
)
async def get_game_days(
    state: StateOf, actor: ActorOf, selection: SelectionQuery, seed: SeedParameter = 0
) -> Response:
    """Return the failures that were never seen, and decide about most runs if they come.

    Over all single outages, each replayed: at most 200, those of the most invoked components.
    """
    selected = await state.app.graph.select(selection)
    compute = partial(state.app.simulations.game_days, actor, selected, seed=seed)
    return await state.answer(selected, "game-days", seed, compute)


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
