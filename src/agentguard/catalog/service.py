"""The use cases of the catalog: what was declared against what was seen."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agentguard.catalog.comparing import compare
from agentguard.catalog.documents import comparison_document
from agentguard.catalog.model import Catalog
from agentguard.catalog.writing import catalog_text, entries_text
from agentguard.graph.documents import origin_of
from agentguard.graph.evidence_links import TraceLinks
from agentguard.graph.resolve import resolve
from agentguard.graph.selection import SelectedGraph
from agentguard.graph.storage.history import History
from agentguard.kernel.clock import Clock


class SeenHistory(Protocol):
    """The history of all components; see graph.storage.versions.Graphs."""

    async def history(self) -> History:
        """Return it, of every dataset, also of versions that were deleted."""


@dataclass(frozen=True, slots=True)
class CatalogService:
    """Compares graphs with the catalog, and drafts one from a graph."""

    seen: SeenHistory
    catalog: Catalog | None
    links: TraceLinks
    clock: Clock
    ghost_days: int
    """Days unseen after which a declared component is a ghost."""

    async def check(
        self, selected: SelectedGraph, *, ghost_days: int | None = None
    ) -> dict[str, Any]:
        """Return the catalog against this graph and against everything ever seen, as of now."""
        days = self.ghost_days if ghost_days is None else ghost_days
        history = await self.seen.history()
        found = await asyncio.to_thread(
            compare, selected.graph, self.catalog, history, now=self.clock(), ghost_days=days
        )
        return origin_of(selected) | comparison_document(found, self.links)

    async def draft(self, selected: SelectedGraph, components: Sequence[str] = ()) -> str:
        """Return a first catalog of everything in this graph, as YAML.

        Of these components, by id or unique name, only the entries, to be added to a catalog.
        Raises UnknownComponentError and AmbiguousComponentError.
        """
        if not components:
            return await asyncio.to_thread(catalog_text, selected.graph)
        ids = {resolve(selected.graph, name).id for name in components}
        return await asyncio.to_thread(entries_text, selected.graph, ids)
