"""POST /api/simulate."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from agentguard.graph.resolve import resolve
from agentguard.graph.runs import Runs
from agentguard.simulation.documents import simulation_document
from agentguard.simulation.engine import simulate
from agentguard.simulation.groups import members
from agentguard.simulation.model import SimulationResult
from agentguard.web.schemas.documents import SimulationDocument
from agentguard.web.schemas.requests import FailureRequest
from agentguard.web.state import DocumentResponse, Found, State, StateOf

router = APIRouter(prefix="/api", tags=["simulation"])


@router.post("/simulate", response_model=SimulationDocument)
async def post_simulate(wanted: FailureRequest, state: StateOf) -> DocumentResponse:
    """What breaks if these components fail: who is hit, which workflows lose what share of their runs."""
    found, result = await simulated(state, wanted)
    document = await asyncio.to_thread(simulation_document, result, links=state.app.links)
    return DocumentResponse(found.origin() | document)


async def simulated(state: State, wanted: FailureRequest) -> tuple[Found, SimulationResult]:
    """Return the newest graph and what the failure does to it; raise what an unknown or ambiguous name raises."""
    found = await state.newest(wanted.dataset)
    graph = found.version.graph
    named = [resolve(graph, text).id for text in wanted.wanted]
    failed = list(dict.fromkeys([*named, *(one for group in wanted.groups for one in members(graph, group))]))
    runs = await state.app.graphs.runs(found.version.id)
    return found, await asyncio.to_thread(_simulate, state, found, runs, failed, wanted)


def _simulate(state: State, found: Found, runs: Runs, failed: list[str], wanted: FailureRequest) -> SimulationResult:
    return simulate(
        found.version.graph,
        runs,
        failed,
        method=wanted.method,
        seed=wanted.seed,
        thresholds=state.app.thresholds,
        catalog=state.app.catalog,
        graph_version=found.version.id,
    )
