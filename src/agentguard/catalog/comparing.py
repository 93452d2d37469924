"""Comparison of a graph with the catalog: matches, presence and drift."""

from __future__ import annotations

from dataclasses import dataclass

from agentguard.catalog.drift import Drift, drifts
from agentguard.catalog.matching import Matches, match
from agentguard.catalog.model import Catalog
from agentguard.catalog.presence import Presence, presences
from agentguard.graph.model import Graph
from agentguard.graph.storage.history import History


@dataclass(frozen=True, slots=True)
class Comparison:
    """Matches by component, presence and drift by entry."""

    matches: Matches
    presences: tuple[Presence, ...]
    drifts: tuple[Drift, ...]
    days_observed: int
    """Number of days with observations, in any dataset."""
    ghost_days: int


def compare(
    graph: Graph, catalog: Catalog | None, history: History, *, now: int, ghost_days: int
) -> Comparison:
    """Compare the graph with the catalog; `now` in ns since the epoch."""
    matches = match(graph, catalog)
    present = presences(graph, matches, history, now=now, ghost_days=ghost_days)
    return Comparison(matches, present, drifts(graph, matches), len(history.days), ghost_days)
