"""Findings on the part of a graph that somebody wants to see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
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
    order = {c.id: place for place, c in enumerate(components)}
    by_sort = wanted.sort is not None

    def shown(found: Iterable[T], component: Callable[[T], str]) -> tuple[T, ...]:
        kept = [each for each in found if component(each) in order]
        if by_sort:
            kept.sort(key=lambda each: order[component(each)])
        return tuple(kept[: wanted.top])

    def touching(found: Iterable[T], members: Callable[[T], Sequence[str]]) -> tuple[T, ...]:
        return tuple([each for each in found if not order.keys().isdisjoint(members(each))])[
            : wanted.top
        ]

    return replace(
        analysis,
        spofs=shown(analysis.spofs, lambda s: s.component),
        cycles=touching(analysis.cycles, lambda c: c.components),
        simple_cycles=touching(analysis.simple_cycles, lambda c: c),
        centrality=shown(analysis.centrality, lambda c: c.component),
        risks=shown(analysis.risks, lambda r: r.component),
    )
