"""The use case of comparing two graphs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from agentguard.accounts.principal import Permission, Principal
from agentguard.analysis.diff import Difference, analyzed, difference
from agentguard.analysis.diff_documents import diff_document
from agentguard.catalog.model import Catalog
from agentguard.graph.documents import origin_of, window_document
from agentguard.graph.evidence_links import TraceLinks
from agentguard.graph.references import select
from agentguard.graph.runs import Runs
from agentguard.graph.selection import GraphSelector, SelectedGraph
from agentguard.kernel.clock import Clock
from agentguard.kernel.errors import NotFoundError


class EmptyGraphError(NotFoundError):
    """One side of a comparison has no spans, so no difference means anything."""

    code = "empty-graph"

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"{reference!r} contains no spans, so there is nothing to compare. Choose a window in"
            " which traces start."
        )


@dataclass(frozen=True, slots=True)
class DiffService:
    """Compares two graphs that are stored, or computed for windows of live spans."""

    selector: GraphSelector
    catalog: Catalog | None
    """Shadow agents of both sides are judged by it, as it is now."""
    links: TraceLinks
    clock: Clock

    async def diff(self, actor: Principal, a: str, b: str) -> dict[str, Any]:
        """Return the document of what changed from graph `a` to graph `b` (references).

        Raises PermissionDeniedError, EmptyGraphError and what graph.references.select raises; takes
        seconds for large graphs.
        """
        actor.require(Permission.READ)
        now = self.clock()
        before, after = [await self._selected(reference, now) for reference in (a, b)]
        runs = [await self.selector.runs(selected) for selected in (before, after)]
        found = await asyncio.to_thread(self._difference, before, after, runs)
        return await asyncio.to_thread(
            diff_document, found, a=_origin(a, before), b=_origin(b, after), links=self.links
        )

    async def _selected(self, reference: str, now: int) -> SelectedGraph:
        selected = await select(self.selector, reference, now)
        if not selected.graph.coverage.spans:
            raise EmptyGraphError(reference)
        return selected

    def _difference(
        self, before: SelectedGraph, after: SelectedGraph, runs: list[Runs]
    ) -> Difference:
        return difference(
            analyzed(before.graph, runs[0], self.catalog),
            analyzed(after.graph, runs[1], self.catalog),
        )


def _origin(reference: str, selected: SelectedGraph) -> dict[str, Any]:
    window = {"window": window_document(selected.graph)}
    return {"reference": reference} | origin_of(selected) | window
