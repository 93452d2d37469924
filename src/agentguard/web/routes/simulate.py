"""POST /api/simulate."""

from __future__ import annotations

import asyncio
import re
from functools import partial

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from agentguard.accounts.principal import Permission, Principal
from agentguard.graph.selection import SelectedGraph
from agentguard.simulation.service import Failure
from agentguard.web.auth import ActorOf
from agentguard.web.failing import failure_of
from agentguard.web.permissions import requires
from agentguard.web.response_cache import Compute
from agentguard.web.routes.jobs import ACCEPTED, accepted
from agentguard.web.schemas.requests import SimulationRequest
from agentguard.web.schemas.simulation import SimulationDocument
from agentguard.web.state import AppState, StateOf

router = APIRouter(prefix="/api", tags=["simulation"])

_ID = re.compile(rb'\{"id":"([0-9a-f]+)"')
"""The first member of the document; null where the simulation is not stored."""


@router.post(
    "/simulate",
    operation_id="simulate",
    dependencies=[requires(Permission.SIMULATE)],
    response_model=SimulationDocument,
    responses=ACCEPTED,
)
async def post_simulate(wanted: SimulationRequest, state: StateOf, actor: ActorOf) -> Response:
    """Simulate the failure of components.

    Returns the impacted components, and the workflows with the share of runs that each loses. The
    result is stored under its `id`, unless it is a preview or about a window.
    """
    simulations, failure = state.app.simulations, failure_of(state, wanted)
    preview = wanted.preview
    if wanted.background:
        return accepted(await simulations.submit(actor, failure))
    selected = await simulations.select(actor, failure, preview=preview)

    def resolve() -> tuple[object, Compute]:
        resolved = simulations.resolve_in(selected, failure)
        compute = partial(simulations.simulate, actor, resolved, preview=preview)
        return [resolved.parameters, preview], compute

    asked = [failure.question, preview]
    answer = await state.answer_named(selected, "simulate", asked, resolve)
    await _keep(state, actor, failure, selected, bytes(answer.body))
    return answer


async def _keep(
    state: AppState, actor: Principal, failure: Failure, selected: SelectedGraph, answer: bytes
) -> None:
    """Store the simulation unless it is stored: a cached answer may have outlived it."""
    found = _ID.match(answer)
    stored = state.app.stored_simulations
    if found is None or await stored.is_kept(found[1].decode()):
        return
    document = await asyncio.to_thread(orjson.loads, answer)
    await stored.keep(actor, failure, selected, document)
