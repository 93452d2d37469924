"""GET /api/catalog, /api/catalog/draft."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from agentguard.accounts.principal import Permission
from agentguard.web.permissions import requires
from agentguard.web.schemas.catalog import CatalogDocument
from agentguard.web.selection import SelectionQuery
from agentguard.web.state import DocumentResponse, StateOf

router = APIRouter(prefix="/api", tags=["catalog"])

YAML = "application/yaml"
"""RFC 9512."""


class YAMLResponse(Response):
    """A YAML document."""

    media_type = YAML


GhostDaysParameter = Annotated[
    int | None,
    Query(ge=1, description="Days unseen that make a ghost, instead of AGENTGUARD_GHOST_DAYS."),
]
_YAML: dict[int | str, dict[str, Any]] = {200: {"content": {YAML: {"schema": {"type": "object"}}}}}


@router.get(
    "/catalog",
    operation_id="get_catalog",
    dependencies=[requires(Permission.READ)],
    response_model=CatalogDocument,
)
async def get_catalog(
    state: StateOf, selection: SelectionQuery, ghost_days: GhostDaysParameter = None
) -> Response:
    """Compare the catalog with what was seen: shadow agents, ghosts and drift, with reasons."""
    selected = await state.app.graph.select(selection)
    return DocumentResponse(await state.app.catalog.check(selected, ghost_days=ghost_days))


@router.get(
    "/catalog/draft",
    operation_id="draft_catalog",
    dependencies=[requires(Permission.READ)],
    response_class=YAMLResponse,
    responses=_YAML,
)
async def get_catalog_draft(
    state: StateOf,
    selection: SelectionQuery,
    component: Annotated[
        list[str] | None,
        Query(description="Only the entries of these, by id or unique name.", max_length=100),
    ] = None,
) -> Response:
    """Draft a catalog of what was seen, as YAML; owners and values are left open."""
    selected = await state.app.graph.select(selection)
    return YAMLResponse(await state.app.catalog.draft(selected, component or ()))
