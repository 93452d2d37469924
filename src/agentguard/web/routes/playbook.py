"""POST /api/playbook."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from agentguard.graph.store import GraphVersion
from agentguard.playbooks.documents import playbook_document
from agentguard.playbooks.generator import generate
from agentguard.web.answers import Question
from agentguard.web.routes.simulate import Failure, failure_of, simulated
from agentguard.web.schemas.documents import PlaybookDocument
from agentguard.web.schemas.requests import FailureRequest
from agentguard.web.state import State, StateOf

router = APIRouter(prefix="/api", tags=["playbooks"])


@router.post("/playbook", response_model=PlaybookDocument)
async def post_playbook(wanted: FailureRequest, state: StateOf) -> Response:
    """What to do when these components fail: contain, activate backups, recover; every statement with its evidence."""
    version = await state.app.graphs.newest(wanted.dataset)
    failure = failure_of(version.graph, wanted)
    return await state.answer(Question(version.id, "playbook", failure), partial(_document, state, version, failure))


async def _document(state: State, version: GraphVersion, failure: Failure) -> dict[str, Any]:
    found, result = await state.found(version), await simulated(state, version, failure)
    playbook = await asyncio.to_thread(generate, version.graph, result, matches=found.matches)
    return found.origin() | playbook_document(playbook, links=state.app.links)
