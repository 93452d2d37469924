"""GET /api/catalog."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from agentguard.accounts.principal import Permission
from agentguard.catalog.documents import comparison_document
from agentguard.web.permissions import requires
from agentguard.web.routes.graph import DatasetParameter
from agentguard.web.schemas.catalog import CatalogDocument
from agentguard.web.state import DocumentResponse, StateOf

router = APIRouter(prefix="/api", tags=["catalog"])


@router.get(
    "/catalog",
    operation_id="get_catalog",
    dependencies=[requires(Permission.READ)],
    response_model=CatalogDocument,
)
async def get_catalog(state: StateOf, dataset: DatasetParameter = None) -> Response:
    """What was declared against what was seen: shadow agents, ghosts, drift, each with why."""
    found = await state.newest(dataset)
    comparison = await state.app.compare(found.version.graph)
    return DocumentResponse(found.origin() | comparison_document(comparison, state.app.links))
