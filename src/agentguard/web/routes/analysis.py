"""GET /api/analysis."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from agentguard.accounts.principal import Permission
from agentguard.web.auth import ActorOf
from agentguard.web.permissions import requires
from agentguard.web.schemas.analysis import AnalysisAnswer
from agentguard.web.selection import FilterQuery, SelectionQuery
from agentguard.web.state import StateOf

router = APIRouter(prefix="/api", tags=["analysis"])


@router.get(
    "/analysis",
    operation_id="get_analysis",
    dependencies=[requires(Permission.READ)],
    response_model=AnalysisAnswer,
)
async def get_analysis(
    state: StateOf, actor: ActorOf, selection: SelectionQuery, wanted: FilterQuery
) -> Response:
    """Single points of failure, cycles, centrality and risk, each with its evidence."""
    selected = await state.app.graph.select(selection)
    compute = partial(state.app.analysis.analyze, actor, selected, wanted)
    return await state.answer(selected, "analysis", wanted, compute)
