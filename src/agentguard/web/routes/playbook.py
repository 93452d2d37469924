"""POST /api/playbook, GET /api/playbooks/{id}."""

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
from agentguard.web.schemas.requests import PlaybookRequest
from agentguard.web.state import DocumentResponse, StateOf

router = APIRouter(prefix="/api", tags=["playbooks"])


@router.post(
    "/playbook",
    operation_id="create_playbook",
    dependencies=[requires(Permission.SIMULATE)],
    response_model=PlaybookDocument,
    responses=ACCEPTED,
)
async def post_playbook(wanted: PlaybookRequest, state: StateOf, actor: ActorOf) -> Response:
    """Generate the playbook for a failure: at most seven steps to contain it, use backups, recover.

    Every step has its evidence.
    """
    wish = wanted.wish(state.app.scans.clock())
    playbooks, failure = state.app.playbooks, failure_of(state, wanted)
    if wanted.background:
        return accepted(await playbooks.submit(actor, failure, wish))
    simulations = playbooks.simulations
    if wish.refine:
        resolved = await playbooks.resolve(actor, failure)
        return DocumentResponse(await playbooks.write(actor, resolved, wish))
    inputs = [wish.request(), await playbooks.stamp()]
    selected = await simulations.select(actor, failure)

    def resolve() -> tuple[object, Compute]:
        resolved = simulations.resolve_in(selected, failure)
        compute = partial(playbooks.write, actor, resolved, wish)
        return [resolved.parameters, *inputs], compute

    return await state.answer_named(selected, "playbook", [failure.question, *inputs], resolve)


@router.get(
    "/playbooks/{playbook_id}",
    operation_id="get_playbook",
    dependencies=[requires(Permission.READ)],
    response_model=PlaybookDocument,
)
async def get_playbook(playbook_id: str, state: StateOf, actor: ActorOf) -> DocumentResponse:
    """Return a playbook that a job wrote, by the job's id: both versions, if a model phrased it."""
    return DocumentResponse(await state.app.playbooks.get(actor, playbook_id))
