"""POST /api/playbook."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from agentguard.accounts.principal import Permission
from agentguard.web.auth import ActorOf
from agentguard.web.failing import failure_of
from agentguard.web.permissions import requires
from agentguard.web.response_cache import Compute
from agentguard.web.routes.jobs import ACCEPTED, accepted
from agentguard.web.schemas.playbooks import PlaybookDocument
from agentguard.web.schemas.requests import FailureRequest
from agentguard.web.state import StateOf

router = APIRouter(prefix="/api", tags=["playbooks"])


@router.post(
    "/playbook",
    operation_id="create_playbook",
    dependencies=[requires(Permission.SIMULATE)],
    response_model=PlaybookDocument,
    responses=ACCEPTED,
)
async def post_playbook(wanted: FailureRequest, state: StateOf, actor: ActorOf) -> Response:
    """Generate the playbook for a failure: contain, activate backups, recover.

    Every step has its evidence.
    """
    playbooks, failure = state.app.playbooks, failure_of(state, wanted)
    if wanted.background:
        return accepted(await playbooks.submit(actor, failure))
    simulations = playbooks.simulations
    selected = await simulations.select(actor, failure)

    def resolve() -> tuple[object, Compute]:
        resolved = simulations.resolve_in(selected, failure)
        return resolved.parameters, partial(playbooks.write, actor, resolved)

    return await state.answer_named(selected, "playbook", failure.question, resolve)
