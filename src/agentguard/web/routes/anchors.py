"""GET /api/audit/anchors."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from agentguard.accounts.principal import Permission
from agentguard.audit.anchor_documents import standing_document
from agentguard.web.permissions import requires
from agentguard.web.schemas.anchors import AnchorsDocument
from agentguard.web.state import DocumentResponse, StateOf

router = APIRouter(prefix="/api/audit", tags=["audit"])

_MOST_SHOWN = 200
LimitParameter = Annotated[int, Query(ge=1, le=_MOST_SHOWN, description="Anchors shown.")]


@router.get(
    "/anchors",
    operation_id="list_audit_anchors",
    dependencies=[requires(Permission.READ)],
    response_model=AnchorsDocument,
)
async def get_anchors(state: StateOf, limit: LimitParameter = 50) -> DocumentResponse:
    """Return how much of the audit log is anchored on a chain and published, and what waits."""
    return DocumentResponse(standing_document(await state.app.anchoring.standing(limit)))
