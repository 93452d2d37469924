"""Findings on the part of a graph that somebody wants to see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from agentguard.analysis.model import Analysis
from agentguard.graph.documents import View
from agentguard.graph.filtering import NO_FILTER, GraphFilter, filtered
from agentguard.graph.model import Graph

T = TypeVar("T")


def filtered_analysis(
    analysis: Analysis, graph: Graph, view: View, wanted: GraphFilter
) -> Analysis:
    """Return the findings on the wanted components, sorted and cut as wanted.

    Without a sort key each list keeps its order, most severe first. A cycle is shown where one of
    its components is wanted. The overall risk stays that of the whole graph. Raises
    NoCatalogError.
    """
    if wanted == NO_FILTER:
        return analysis
    components = filtered(graph, view, replace(wanted, top=None)).components
    part = _Part({c.id: place for place, c in enumerate(components)}, wanted)
    return replace(
        analysis,
        spofs=part.of(analysis.spofs, lambda s: s.component),
        cycles=part.touching(analysis.cycles, lambda c: c.components),
        simple_cycles=part.touching(analysis.simple_cycles, lambda c: c),
        run_loops=part.touching(analysis.run_loops, lambda r: r.components),
        centrality=part.of(analysis.centrality, lambda c: c.component),
        risks=part.of(analysis.risks, lambda r: r.component),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """The wanted components, and how lists of findings are cut."""

    order: Mapping[str, int]
    """Component id → its place."""
    wanted: GraphFilter

    def of(self, found: Iterable[T], component: Callable[[T], str]) -> tuple[T, ...]:
        kept = [each for each in found if component(each) in self.order]
        if self.wanted.sort is not None:
            kept.sort(key=lambda each: self.order[component(each)])
        return tuple(kept[: self.wanted.top])

    def touching(self, found: Iterable[T], members: Callable[[T], Sequence[str]]) -> tuple[T, ...]:
        kept = [each for each in found if not self.order.keys().isdisjoint(members(each))]
        return tuple(kept[: self.wanted.top])
