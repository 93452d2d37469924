"""Use cases that read graphs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.columns import columns_document
from agentguard.graph.component_documents import agent_document, component_document
from agentguard.graph.dataset_documents import datasets_document
from agentguard.graph.documents import (
    Document,
    View,
    agents_document,
    graph_document,
    origin_of,
)
from agentguard.graph.errors import (
    AmbiguousComponentError,
    NotAnAgentError,
    UnknownComponentError,
)
from agentguard.graph.export.formats import ExportFormat, export
from agentguard.graph.export.marks import marks
from agentguard.graph.filtering import (
    NO_FILTER,
    GraphFilter,
    check_size,
    filtered,
    with_neighbors,
)
from agentguard.graph.model import Component, Graph
from agentguard.graph.resolve import resolve
from agentguard.graph.selection import GraphSelection, GraphSelector, SelectedGraph
from agentguard.graph.storage.store import Dataset


class Datasets(Protocol):
    """Lists datasets; see graph.storage.versions.Graphs."""

    async def datasets(self) -> tuple[Dataset, ...]:
        """Return all datasets, last written first."""


class Findings(Protocol):
    """What a later stage knows of a graph."""

    async def findings(self, selected: SelectedGraph, wanted: GraphFilter) -> Document:
        """Return the member `analysis` of the graph's document."""


@dataclass(frozen=True, slots=True)
class GraphService:
    """Shows graphs."""

    selector: GraphSelector
    stored: Datasets
    view_of: Callable[[Graph], View]
    """What the catalog adds to a graph's documents. CPU-bound."""
    findings: Findings
    most_items: int
    """Most components, dependencies, fallbacks and workflows that one answer lists."""

    async def select(self, selection: GraphSelection) -> SelectedGraph:
        """Return the selected graph; raise NoGraphError, SpansNotKeptError."""
        return await self.selector.select(selection)

    async def datasets(self) -> Document:
        """Return all datasets, last written first, each with its newest version."""
        return datasets_document(await self.stored.datasets())

    async def graph(self, selected: SelectedGraph, wanted: GraphFilter = NO_FILTER) -> Document:
        """Return components, dependencies and the findings on them.

        Raises NoCatalogError, GraphTooLargeError.
        """
        view, part = await asyncio.to_thread(self._part, selected.graph, wanted)
        analysis = await self.findings.findings(selected, wanted)
        return await asyncio.to_thread(_document, selected, view, part, analysis)

    async def columns(self, selected: SelectedGraph, wanted: GraphFilter = NO_FILTER) -> Document:
        """Return the same as columns, without evidence; raises as `graph`."""
        return await asyncio.to_thread(columns_document, await self.graph(selected, wanted))

    async def overview(self, selected: SelectedGraph, wanted: GraphFilter = NO_FILTER) -> Document:
        """Return the same without findings, which take longer; raises as `graph`."""
        view, part = await asyncio.to_thread(self._part, selected.graph, wanted)
        return await asyncio.to_thread(_document, selected, view, part, {})

    async def export(
        self, selected: SelectedGraph, language: ExportFormat, wanted: GraphFilter = NO_FILTER
    ) -> str:
        """Return the graph in a language of other programs.

        With shadow agents, owners and single points of failure, except in Cypher. Both ends of a
        shown dependency are shown too. Raises NoCatalogError, GraphTooLargeError.
        """
        view, part = await asyncio.to_thread(self._part, selected.graph, wanted)
        spofs = None if language is ExportFormat.CYPHER else await self._spofs(selected)
        whole = None if wanted == NO_FILTER else selected.graph
        return await asyncio.to_thread(_exported, language, view, part, spofs, whole)

    async def agents(self, selected: SelectedGraph) -> Document:
        """Return all agents, and which of them nobody declared."""
        return await asyncio.to_thread(self._agents, selected)

    async def agent(self, selected: SelectedGraph, name: str) -> Document:
        """Return one agent, by id or unique name.

        Raises UnknownComponentError, AmbiguousComponentError, and NotAnAgentError for another kind.
        """
        return await asyncio.to_thread(self._agent, selected, name)

    async def component(self, selected: SelectedGraph, name: str) -> Document:
        """Return one component of any kind, by id or unique name.

        Raises UnknownComponentError and AmbiguousComponentError.
        """
        return await asyncio.to_thread(self._component, selected, name)

    async def _spofs(self, selected: SelectedGraph) -> list[str]:
        findings = await self.findings.findings(selected, NO_FILTER)
        return [*findings["spof_agents"], *findings["spof_components"]]

    def _part(self, graph: Graph, wanted: GraphFilter) -> tuple[View, Graph]:
        """Return the view and what of the graph is wanted, if one answer may list it."""
        view = self.view_of(graph)
        part = filtered(graph, view, wanted)
        check_size(part, self.most_items)
        return view, part

    def _agents(self, selected: SelectedGraph) -> Document:
        view = self.view_of(selected.graph)
        return origin_of(selected) | agents_document(selected.graph, view)

    def _agent(self, selected: SelectedGraph, name: str) -> Document:
        found = _resolve_agent(selected.graph, name)
        view = self.view_of(selected.graph)
        return origin_of(selected) | agent_document(selected.graph, found.id, view)

    def _component(self, selected: SelectedGraph, name: str) -> Document:
        found = resolve(selected.graph, name)
        view = self.view_of(selected.graph)
        return origin_of(selected) | component_document(selected.graph, found.id, view)


def _document(selected: SelectedGraph, view: View, part: Graph, analysis: Document) -> Document:
    return origin_of(selected) | graph_document(selected.graph, view, analysis=analysis, part=part)


def _exported(
    language: ExportFormat, view: View, part: Graph, spofs: list[str] | None, whole: Graph | None
) -> str:
    """Return the text; the neighbors of a part come from the whole graph."""
    shown = part if whole is None else with_neighbors(whole, part)
    return export(shown, language, marks(view, spofs))


def _resolve_agent(graph: Graph, name: str) -> Component:
    try:
        return resolve(graph, name, kinds=(ComponentKind.AGENT,))
    except UnknownComponentError as unknown:
        try:
            other = resolve(graph, name)
        except (UnknownComponentError, AmbiguousComponentError):
            raise unknown from None
        raise NotAnAgentError(other.id, other.name, other.kind.value) from None
