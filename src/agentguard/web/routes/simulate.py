"""POST /api/simulate."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from agentguard.graph.model import Graph
from agentguard.graph.resolve import resolve
from agentguard.graph.store import GraphVersion
from agentguard.simulation.documents import simulation_document
from agentguard.simulation.engine import simulate
from agentguard.simulation.groups import members
from agentguard.simulation.model import Method, SimulationResult
from agentguard.web.answers import Question
from agentguard.web.schemas.documents import SimulationDocument
from agentguard.web.schemas.requests import FailureRequest
from agentguard.web.state import State, StateOf, origin

router = APIRouter(prefix="/api", tags=["simulation"])


@dataclass(frozen=True, slots=True)
class Failure:
    """What a request asks for, in a graph's own ids: all that the answer depends on beside the graph and the server's settings."""

    components: tuple[str, ...]
    method: Method | None
    seed: int


@router.post("/simulate", response_model=SimulationDocument)
async def post_simulate(wanted: FailureRequest, state: StateOf) -> Response:
    """What breaks if these components fail: who is hit, which workflows lose what share of their runs."""
    version = await state.app.graphs.newest(wanted.dataset)
    failure = failure_of(version.graph, wanted)
    return await state.answer(Question(version.id, "simulate", failure), partial(_document, state, version, failure))


def failure_of(graph: Graph, wanted: FailureRequest) -> Failure:
    """Return what fails; raise what an unknown or ambiguous name raises."""
    named = [resolve(graph, text).id for text in wanted.wanted]
    failed = dict.fromkeys([*named, *(one for group in wanted.groups for one in members(graph, group))])
    return Failure(tuple(failed), wanted.method, wanted.seed)


async def simulated(state: State, version: GraphVersion, failure: Failure) -> SimulationResult:
    """Return what the failure does to this graph."""
    runs = await state.app.graphs.runs(version.id)
    return await asyncio.to_thread(
        simulate,
        version.graph,
        runs,
        failure.components,
        method=failure.method,
        seed=failure.seed,
        thresholds=state.app.thresholds,
        catalog=state.app.catalog,
        graph_version=version.id,
    )


async def _document(state: State, version: GraphVersion, failure: Failure) -> dict[str, Any]:
    result = await simulated(state, version, failure)
    return origin(version) | await asyncio.to_thread(simulation_document, result, links=state.app.links)
