"""Catalog data in graph documents: shadow agents, owners and values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agentguard.catalog.matching import Matches, match
from agentguard.catalog.model import Catalog, Entry
from agentguard.graph.documents import View
from agentguard.graph.evidence_links import NO_LINKS, TraceLinks
from agentguard.graph.model import Graph


def viewer(catalog: Catalog | None, links: TraceLinks) -> Callable[[Graph], View]:
    """Return the function from a graph to its view. CPU-bound."""
    return lambda graph: view(match(graph, catalog), links)


def view(matches: Matches, links: TraceLinks = NO_LINKS) -> View:
    """Return the view that marks shadow agents and adds owner and value to declared components."""
    shadows = None if matches.catalog is None else {m.component: m.reason for m in matches.shadow}
    return View(
        links=links,
        shadows=shadows,
        declared={m.component: _declared(m.entry) for m in matches.components if m.entry},
    )


def _declared(entry: Entry) -> dict[str, Any]:
    criticality = None if entry.criticality is None else entry.criticality.value
    return {
        "name": entry.label,
        "owner": entry.owner,
        "criticality": criticality,
        "value_per_run": entry.value_per_run,
    }
