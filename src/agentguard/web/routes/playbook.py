"""POST /api/playbook."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from agentguard.playbooks.documents import playbook_document
from agentguard.playbooks.generator import generate
from agentguard.web.routes.simulate import simulated
from agentguard.web.schemas.documents import PlaybookDocument
from agentguard.web.schemas.requests import FailureRequest
from agentguard.web.state import DocumentResponse, StateOf

router = APIRouter(prefix="/api", tags=["playbooks"])


@router.post("/playbook", response_model=PlaybookDocument)
async def post_playbook(wanted: FailureRequest, state: StateOf) -> DocumentResponse:
    """What to do when these components fail: contain, activate backups, recover; every statement with its evidence."""
    found, result = await simulated(state, wanted)
    playbook = await asyncio.to_thread(generate, found.version.graph, result, matches=found.matches)
    return DocumentResponse(found.origin() | playbook_document(playbook, links=state.app.links))
