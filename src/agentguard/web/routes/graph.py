"""GET and DELETE /api/datasets, /api/graph, /api/agents, /api/agents/{id}."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import PlainTextResponse, Response

from agentguard.accounts.principal import Permission
from agentguard.graph.export.formats import MEDIA_TYPES, ExportFormat
from agentguard.web.auth import principal_of
from agentguard.web.permissions import requires
from agentguard.web.schemas.components import AgentDetailsDocument, AgentsDocument
from agentguard.web.schemas.graph import DatasetDeletedDocument, DatasetsDocument, GraphDocument
from agentguard.web.selection import FilterQuery, SelectionQuery
from agentguard.web.state import DocumentResponse, StateOf

router = APIRouter(prefix="/api", tags=["graph"])

FormatParameter = Annotated[
    Literal["json", "dot", "mermaid", "graphml", "cypher"], Query(alias="format")
]

_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {name: {"schema": {"type": "string"}} for name in MEDIA_TYPES.values()}}
}


@router.get(
    "/datasets",
    operation_id="list_datasets",
    dependencies=[requires(Permission.READ)],
    response_model=DatasetsDocument,
)
async def get_datasets(state: StateOf) -> Response:
    """List all datasets, the last written first, each with its newest graph version."""
    return DocumentResponse(await state.app.graph.datasets())


@router.delete(
    "/datasets/{name}",
    operation_id="delete_dataset",
    dependencies=[requires(Permission.OPERATE)],
    response_model=DatasetDeletedDocument,
)
async def delete_dataset(
    name: str, request: Request, state: StateOf, *, include_cited: bool = False
) -> Response:
    """Delete the dataset of a scan with all its graph versions and their runs.

    Refused for `live`, and for a dataset with versions that stored results cite unless
    `include_cited`.
    """
    actor = await principal_of(request)
    deleted = await state.app.datasets.delete(actor, name, include_cited=include_cited)
    return DocumentResponse({"dataset": name, "deleted_versions": deleted})


@router.get(
    "/graph",
    operation_id="get_graph",
    dependencies=[requires(Permission.READ)],
    response_model=GraphDocument,
    responses=_TEXT,
)
async def get_graph(
    state: StateOf,
    selection: SelectionQuery,
    wanted: FilterQuery,
    written: FormatParameter = "json",
) -> Response:
    """Return components, dependencies and findings.

    Of the newest graph, of a stored version, or of a window of the live spans. The header
    `AgentGuard-Graph-As-Of` says until when a newest graph has all spans.
    """
    graph = state.app.graph
    selected = await graph.select(selection)
    if written != "json":
        language = ExportFormat(written)
        text = await graph.export(selected, language, wanted)
        return PlainTextResponse(text, media_type=MEDIA_TYPES[language])
    return await state.answer(selected, "graph", wanted, partial(graph.graph, selected, wanted))


@router.get(
    "/agents",
    operation_id="list_agents",
    dependencies=[requires(Permission.READ)],
    response_model=AgentsDocument,
)
async def get_agents(state: StateOf, selection: SelectionQuery) -> Response:
    """List all agents and mark those that the catalog does not declare."""
    selected = await state.app.graph.select(selection)
    return await state.answer(selected, "agents", None, partial(state.app.graph.agents, selected))


@router.get(
    "/agents/{agent_id:path}",
    operation_id="get_agent",
    dependencies=[requires(Permission.READ)],
    response_model=AgentDetailsDocument,
)
async def get_agent(agent_id: str, state: StateOf, selection: SelectionQuery) -> Response:
    """Return an agent, by id or unique name, with its dependencies and dependents."""
    selected = await state.app.graph.select(selection)
    return DocumentResponse(await state.app.graph.agent(selected, agent_id))
