"""GET /api/components/{id}."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from agentguard.accounts.principal import Permission
from agentguard.web.permissions import requires
from agentguard.web.schemas.component_details import ComponentDetailsDocument
from agentguard.web.selection import SelectionQuery
from agentguard.web.state import DocumentResponse, StateOf

router = APIRouter(prefix="/api", tags=["graph"])


@router.get(
    "/components/{component_id:path}",
    operation_id="get_component",
    dependencies=[requires(Permission.READ)],
    response_model=ComponentDetailsDocument,
)
async def get_component(component_id: str, state: StateOf, selection: SelectionQuery) -> Response:
    """One component of any kind, by id or unique name.

    With its dependencies, its dependents and the workflows that can reach it.
    """
    selected = await state.app.graph.select(selection)
    return DocumentResponse(await state.app.graph.component(selected, component_id))
