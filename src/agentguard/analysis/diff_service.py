"""The use case of comparing two graphs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from agentguard.analysis.diff import Difference, analyzed, difference
from agentguard.analysis.diff_documents import diff_document
from agentguard.catalog.model import Catalog
from agentguard.graph.documents import origin_of, window_document
from agentguard.graph.evidence_links import TraceLinks
from agentguard.graph.references import select
from agentguard.graph.runs import Runs
from agentguard.graph.selection import GraphSelector, SelectedGraph
from agentguard.kernel.clock import Clock


@dataclass(frozen=True, slots=True)
class DiffService:
    """Compares two graphs that are stored, or computed for windows of live spans."""

    selector: GraphSelector
    catalog: Catalog | None
    """Shadow agents of both sides are judged by it, as it is now."""
    links: TraceLinks
    clock: Clock

    async def diff(self, a: str, b: str) -> dict[str, Any]:
        """Return the document of what changed from graph `a` to graph `b` (references).

        Raises what graph.references.select raises; takes seconds for large graphs.
        """
        now = self.clock()
        before, after = [await select(self.selector, text, now) for text in (a, b)]
        runs = [await self.selector.runs(selected) for selected in (before, after)]
        found = await asyncio.to_thread(self._difference, before, after, runs)
        return await asyncio.to_thread(
            diff_document, found, a=_origin(a, before), b=_origin(b, after), links=self.links
        )

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
