"""GET /api/evidence/{claim}."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from agentguard.accounts.principal import Permission
from agentguard.web.permissions import requires
from agentguard.web.schemas.evidence import ClaimDocument
from agentguard.web.selection import SelectionQuery
from agentguard.web.state import DocumentResponse, StateOf

router = APIRouter(prefix="/api", tags=["evidence"])

_LONGEST_CLAIM = 4_000


@router.get(
    "/evidence/{claim:path}",
    operation_id="get_evidence",
    dependencies=[requires(Permission.READ)],
    response_model=ClaimDocument,
)
async def get_evidence(
    claim: Annotated[str, Path(max_length=_LONGEST_CLAIM)],
    state: StateOf,
    selection: SelectionQuery,
) -> Response:
    """The spans behind a claim: a component, a dependency, a finding, a playbook step and others.

    The selected graph resolves claims about graphs; simulations and playbooks name their own.
    """
    return DocumentResponse(await state.app.evidence.evidence(claim, selection))
