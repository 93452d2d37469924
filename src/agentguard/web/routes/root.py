"""GET /."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter

from agentguard.accounts.principal import Permission
from agentguard.web.permissions import requires
from agentguard.web.schemas.about import Root
from agentguard.web.state import DocumentResponse

router = APIRouter(tags=["about"])

VERSION = version("agentguard")


@router.get(
    "/",
    operation_id="get_root",
    dependencies=[requires(Permission.READ)],
    response_model=Root,
)
async def root() -> DocumentResponse:
    """Return the name and version of the server; the web UI where Accept names text/html."""
    return DocumentResponse(
        {
            "message": "AgentGuard finds what your agents depend on and what fails with it.",
            "version": VERSION,
            "docs": "/docs",
        },
        headers={"Vary": "Accept"},
    )
