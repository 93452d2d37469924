"""GET /api/graph/columns, /api/risks/{id} and /api/risk-history/{id}."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from agentguard.accounts.principal import Permission
from agentguard.analysis.risk_history import MOST_VERSIONS
from agentguard.graph.filtering import NO_FILTER
from agentguard.graph.selection import SelectedGraph
from agentguard.web.auth import ActorOf
from agentguard.web.permissions import requires
from agentguard.web.schemas.columns import GraphColumnsDocument
from agentguard.web.schemas.risks import ComponentRiskDocument, RiskHistoryDocument
from agentguard.web.selection import DatasetParameter, FilterQuery, SelectionQuery
from agentguard.web.state import DocumentResponse, StateOf

router = APIRouter(prefix="/api", tags=["graph"])


@router.get(
    "/graph/columns",
    operation_id="get_graph_columns",
    dependencies=[requires(Permission.READ)],
    response_model=GraphColumnsDocument,
    responses={304: {"description": "Unchanged since the version that If-None-Match names."}},
)
async def get_columns(
    request: Request, state: StateOf, selection: SelectionQuery, wanted: FilterQuery
) -> Response:
    """Return the graph and its findings as one list per member, for drawing thousands at once.

    Stored versions have an ETag (RFC 9110, 8.8.3): with If-None-Match, an unchanged graph is
    answered with 304 and no body.
    """
    selected = await state.app.graph.select(selection)
    compute = partial(state.app.graph.columns, selected, wanted)
    known = request.headers.get("if-none-match")
    return await state.answer_unless_known(selected, "graph columns", wanted, compute, known=known)


@router.get(
    "/risks/{component_id:path}",
    operation_id="get_component_risk",
    dependencies=[requires(Permission.READ)],
    response_model=ComponentRiskDocument,
)
async def get_risk(
    component_id: str, actor: ActorOf, state: StateOf, selection: SelectionQuery
) -> Response:
    """Return the risk of one component, by id or unique name, with its factors.

    And the single point of failure, cycles, shared fates and loops that it is part of.
    """
    selected = await state.app.graph.select(selection)
    compute = partial(state.app.analysis.analyze, actor, selected, NO_FILTER)
    every = await state.document(selected, "analysis", NO_FILTER, compute)
    return DocumentResponse(state.app.analysis.of_component(selected, component_id, every))


@router.get(
    "/risk-history/{component_id:path}",
    operation_id="get_risk_history",
    dependencies=[requires(Permission.READ)],
    response_model=RiskHistoryDocument,
)
async def get_risk_history(
    component_id: str,
    actor: ActorOf,
    state: StateOf,
    dataset: DatasetParameter = None,
    limit: Annotated[
        int,
        Query(ge=1, le=MOST_VERSIONS, description="Maximum number of versions, the newest first."),
    ] = 20,
) -> Response:
    """Return the risk of one component in the kept versions of a dataset, oldest first.

    With the dependencies that appeared and went. Each version is analysed once and then cached.
    """

    async def analyse(selected: SelectedGraph) -> Any:
        compute = partial(state.app.analysis.analyze, actor, selected, NO_FILTER)
        return await state.document(selected, "analysis", NO_FILTER, compute)

    found = await state.app.risk_history.of(actor, component_id, dataset, limit, analyse)
    return DocumentResponse(found)
