"""The use case of analysis: findings on a graph."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from agentguard.accounts.principal import Permission, Principal
from agentguard.analysis.analyze import analyze
from agentguard.analysis.component_findings import component_findings
from agentguard.analysis.documents import analysis_document
from agentguard.analysis.filtering import filtered_analysis
from agentguard.analysis.model import Analysis
from agentguard.analysis.recent import RecentAnalyses
from agentguard.catalog.matching import Matches, match
from agentguard.catalog.model import Catalog
from agentguard.catalog.views import view
from agentguard.graph.documents import origin_of
from agentguard.graph.evidence_links import TraceLinks
from agentguard.graph.filtering import NO_FILTER, GraphFilter
from agentguard.graph.level import Level
from agentguard.graph.resolve import resolve
from agentguard.graph.selection import GraphSelector, SelectedGraph


@dataclass(frozen=True, slots=True)
class AnalysisService:
    """Finds single points of failure, cycles and risks."""

    selector: GraphSelector
    catalog: Catalog | None
    links: TraceLinks
    recent: RecentAnalyses

    async def analyze(
        self, actor: Principal, selected: SelectedGraph, wanted: GraphFilter = NO_FILTER
    ) -> dict[str, Any]:
        """Return the findings as a document of their own; takes seconds for large graphs.

        Raises PermissionDeniedError, NoCatalogError, NoGraphError.
        """
        actor.require(Permission.READ)
        return origin_of(selected) | await self.findings(selected, wanted)

    async def findings(
        self, selected: SelectedGraph, wanted: GraphFilter = NO_FILTER
    ) -> dict[str, Any]:
        """Return the findings as a member of the graph's document.

        Raises NoCatalogError, NoGraphError.
        """
        runs = await self.selector.runs(selected)
        matches = await asyncio.to_thread(match, selected.graph, self.catalog)
        level = wanted.level or Level.AGENT
        compute = partial(analyze, selected.graph, runs, matches=matches, level=level)
        every = await self.recent.of(selected.version, level, compute)
        return await asyncio.to_thread(self._document, selected, matches, every, wanted)

    def _document(
        self, selected: SelectedGraph, matches: Matches, every: Analysis, wanted: GraphFilter
    ) -> dict[str, Any]:
        found = filtered_analysis(every, selected.graph, view(matches, self.links), wanted)
        return analysis_document(found, links=self.links)

    def of_component(
        self, selected: SelectedGraph, name: str, every: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return what `every`, the document of `analyze`, says of one component.

        Raises UnknownComponentError and AmbiguousComponentError.
        """
        found = resolve(selected.graph, name)
        return origin_of(selected) | component_findings(every, found.id)
