"""The use case of mitigations: what would save runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from agentguard.accounts.principal import Permission, Principal
from agentguard.analysis.analyze import analyze
from agentguard.analysis.mitigation_documents import mitigations_document
from agentguard.analysis.suggestions import suggestions
from agentguard.catalog.matching import match
from agentguard.catalog.model import Catalog
from agentguard.graph.documents import origin_of
from agentguard.graph.runs import Runs
from agentguard.graph.selection import GraphSelector, SelectedGraph
from agentguard.simulation.declared import facts_of
from agentguard.simulation.methods import recorded
from agentguard.simulation.mitigations import mitigations
from agentguard.simulation.money import run_values
from agentguard.simulation.service import ResolvedFailure


@dataclass(frozen=True, slots=True)
class MitigationService:
    """Simulates mitigations, of one failure or of all single points of failure of a graph."""

    selector: GraphSelector
    catalog: Catalog | None

    async def of_failure(self, actor: Principal, failure: ResolvedFailure) -> dict[str, Any]:
        """Return what would save runs in this failure; takes seconds.

        Raises PermissionDeniedError, NoGraphError.
        """
        actor.require(Permission.SIMULATE)
        runs = await self.selector.runs(failure.selected)
        found = await asyncio.to_thread(self._of_failure, failure, runs)
        return origin_of(failure.selected) | found

    async def of_graph(self, actor: Principal, selected: SelectedGraph) -> dict[str, Any]:
        """Return what would help most in this graph; takes seconds for large graphs.

        Raises PermissionDeniedError, NoGraphError.
        """
        actor.require(Permission.READ)
        runs = await self.selector.runs(selected)
        return origin_of(selected) | await asyncio.to_thread(self._of_graph, selected, runs)

    def _of_failure(self, failure: ResolvedFailure, runs: Runs) -> dict[str, Any]:
        graph = failure.selected.graph
        matches = match(graph, self.catalog)
        found = mitigations(
            graph,
            runs,
            failure.components,
            seed=failure.seed,
            values=run_values(matches, graph.workflows),
            declared=facts_of(graph, matches),
        )
        return mitigations_document(found, currency=self._currency, recorded=recorded(runs))

    def _of_graph(self, selected: SelectedGraph, runs: Runs) -> dict[str, Any]:
        graph = selected.graph
        matches = match(graph, self.catalog)
        found = suggestions(
            graph,
            runs,
            analyze(graph, runs, matches=matches),
            values=run_values(matches, graph.workflows),
            declared=facts_of(graph, matches),
        )
        return mitigations_document(found, currency=self._currency, recorded=recorded(runs))

    @property
    def _currency(self) -> str | None:
        return None if self.catalog is None else self.catalog.currency
