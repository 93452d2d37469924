"""GET /api/datasets, /api/graph, /api/agents, /api/agents/{id}."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import PlainTextResponse, Response

from agentguard.accounts.principal import Permission
from agentguard.analysis.analyze import analyze
from agentguard.analysis.documents import analysis_document
from agentguard.catalog.views import view
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.documents import agent_document, agents_document, graph_document
from agentguard.graph.export.formats import ExportFormat, export
from agentguard.graph.resolve import resolve
from agentguard.graph.store import LIVE, Dataset, GraphVersion
from agentguard.kernel.clock import timestamp
from agentguard.kernel.errors import ConflictError
from agentguard.scan.pipeline import Scan
from agentguard.traces.window import TimeWindow
from agentguard.web.permissions import requires
from agentguard.web.response_cache import Question
from agentguard.web.schemas.components import AgentDetailsDocument, AgentsDocument
from agentguard.web.schemas.graph import DatasetsDocument, GraphDocument
from agentguard.web.state import AppState, DocumentResponse, StateOf
from agentguard.web.windows import WindowAsked

router = APIRouter(prefix="/api", tags=["graph"])

DatasetParameter = Annotated[
    str | None,
    Query(
        description=(
            "`live` for what comes over OTLP, or a scan's dataset; without it, the dataset last"
            " written."
        )
    ),
]
FormatParameter = Annotated[
    Literal["json", "dot", "mermaid", "graphml", "cypher"], Query(alias="format")
]


class SpansNotKeptError(ConflictError):
    """A window asks for spans that are not kept."""

    code = "spans-not-kept"

    def __init__(self, dataset: str | None) -> None:
        super().__init__(
            f"Of dataset {dataset!r} only the graph is kept, not its spans. Scan the files again"
            " with this window."
        )


_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}}
}


@router.get(
    "/datasets",
    operation_id="list_datasets",
    dependencies=[requires(Permission.READ)],
    response_model=DatasetsDocument,
)
async def get_datasets(state: StateOf) -> Response:
    """All datasets, last written first, each with its newest graph version."""
    return DocumentResponse(
        {"datasets": [_dataset_document(dataset) for dataset in await state.app.graphs.datasets()]}
    )


@router.get(
    "/graph",
    operation_id="get_graph",
    dependencies=[requires(Permission.READ)],
    response_model=GraphDocument,
    responses=_TEXT,
)
async def get_graph(
    state: StateOf,
    window: WindowAsked,
    dataset: DatasetParameter = None,
    written: FormatParameter = "json",
) -> Response:
    """What runs, what depends on what, and the findings: the newest graph.

    With a window, that of the OTLP traces that start in it.
    """
    if window is not None:
        return await _of_window(state, dataset, window, written)
    version = await state.app.graphs.newest(dataset)
    if written != "json":
        return PlainTextResponse(
            await asyncio.to_thread(export, version.graph, ExportFormat(written))
        )
    return await state.answer(
        Question(version.id, "graph"), partial(_graph_document, state, version)
    )


async def _graph_document(state: AppState, version: GraphVersion) -> dict[str, Any]:
    found, runs = await state.found(version), await state.app.graphs.runs(version.id)
    analysis = analysis_document(
        await asyncio.to_thread(analyze, version.graph, runs, matches=found.matches),
        links=state.app.links,
    )
    return found.origin() | await asyncio.to_thread(
        graph_document, version.graph, found.view, analysis=analysis
    )


async def _of_window(
    state: AppState, dataset: str | None, window: TimeWindow, written: str
) -> Response:
    if dataset not in (None, LIVE):
        raise SpansNotKeptError(dataset)
    scan = await state.serving.live.of_window(window)
    if written != "json":
        return PlainTextResponse(await asyncio.to_thread(export, scan.graph, ExportFormat(written)))
    return DocumentResponse(await asyncio.to_thread(_window_document, state, scan))


def _window_document(state: AppState, scan: Scan) -> dict[str, Any]:
    matches = state.app.matches(scan.graph)
    analysis = analysis_document(
        analyze(scan.graph, scan.runs, matches=matches), links=state.app.links
    )
    origin = {"dataset": LIVE, "graph_version": None, "created_at": None}
    return origin | graph_document(scan.graph, view(matches, state.app.links), analysis=analysis)


@router.get(
    "/agents",
    operation_id="list_agents",
    dependencies=[requires(Permission.READ)],
    response_model=AgentsDocument,
)
async def get_agents(state: StateOf, dataset: DatasetParameter = None) -> Response:
    """All agents, and which of them nobody declared."""
    found = await state.newest(dataset)
    return DocumentResponse(
        found.origin() | await asyncio.to_thread(agents_document, found.version.graph, found.view)
    )


@router.get(
    "/agents/{agent_id:path}",
    operation_id="get_agent",
    dependencies=[requires(Permission.READ)],
    response_model=AgentDetailsDocument,
)
async def get_agent(agent_id: str, state: StateOf, dataset: DatasetParameter = None) -> Response:
    """One agent, by id or unique name, with what it depends on and what depends on it."""
    found = await state.newest(dataset)
    agent = resolve(found.version.graph, agent_id, kinds=(ComponentKind.AGENT,))
    return DocumentResponse(
        found.origin()
        | await asyncio.to_thread(agent_document, found.version.graph, agent.id, found.view)
    )


def _dataset_document(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "graph_version": dataset.newest_version,
        "created_at": timestamp(dataset.created_at),
        "total_components": dataset.components,
        "total_dependencies": dataset.dependencies,
    }
