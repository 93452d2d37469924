"""Circular dependencies."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import rustworkx as rx

from agentguard.analysis.shortest_cycles import shortest_cycles
from agentguard.compute.digraphs import condensation, digraph

MAX_SIMPLE_CYCLES = 100
"""There can be exponentially many; beyond this number the list is marked as truncated."""

_MOST_LISTED = 1_000
"""Where there are fewer cycles, all of them are listed and sorted."""


def strongly_connected(size: int, edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the strongly connected components of two or more nodes, sorted. Linear time."""
    return sorted(
        sorted(part)
        for part in rx.strongly_connected_components(digraph(size, edges))
        if len(part) > 1
    )


def shortest_cycle(members: Sequence[int], edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return one shortest cycle within a strongly connected component, from its smallest node on.

    Breadth-first search from every node with more than one successor: every cycle passes such a
    node, unless the component is one single cycle. No search goes deeper than the shortest cycle
    found. Worst case: edges × such nodes.
    """
    within = set(members)
    following: dict[int, list[int]] = {m: [] for m in members}
    for source, target in sorted(set(edges)):
        if source in within and target in within and source != target:
            following[source].append(target)
    starts = [m for m in members if len(following[m]) > 1] or [members[0]]
    best: list[int] = []
    for start in starts:
        found = _cycle_through(start, following, len(best) or len(members) + 1)
        best = found or best
    first = best.index(min(best))
    return best[first:] + best[:first]


def simple_cycles(size: int, edges: Sequence[tuple[int, int]]) -> tuple[list[list[int]], bool]:
    """Return simple cycles of two or more nodes, shortest first, and whether some are left out.

    Each starts with its smallest node. If there are too many, the shortest are searched length by
    length, up to a bounded number of steps.
    """
    proper = [(a, b) for a, b in sorted(set(edges)) if a != b]
    if _least_cycles(size, proper) >= _MOST_LISTED:
        return shortest_cycles(size, proper, MAX_SIMPLE_CYCLES), True
    seen = [list(cycle) for cycle in islice(rx.simple_cycles(digraph(size, proper)), _MOST_LISTED)]
    if len(seen) == _MOST_LISTED:
        return shortest_cycles(size, proper, MAX_SIMPLE_CYCLES), True
    turned = sorted((_turned(cycle) for cycle in seen), key=lambda c: (len(c), c))
    return turned[:MAX_SIMPLE_CYCLES], len(turned) > MAX_SIMPLE_CYCLES


def _least_cycles(size: int, edges: Sequence[tuple[int, int]]) -> int:
    """Return a number of simple cycles that there are at least.

    A strongly connected component of m edges and n nodes has m - n + 1 ears, and a simple cycle
    through each of them (ear decomposition).
    """
    part = condensation(size, edges).component_of
    inside = [part[a] for a, b in edges if part[a] == part[b]]
    nodes = set(inside)
    return len(inside) - sum(number in nodes for number in part) + len(nodes)


def _turned(cycle: list[int]) -> list[int]:
    at = cycle.index(min(cycle))
    return cycle[at:] + cycle[:at]


def _cycle_through(start: int, following: dict[int, list[int]], below: int) -> list[int]:
    """Return a shortest cycle through start of fewer than `below` nodes, or nothing."""
    before: dict[int, int] = {}
    level = [start]
    for _ in range(below - 1):
        reached: list[int] = []
        for node in level:
            for after in following[node]:
                if after == start:
                    return _walk_back(start, node, before)
                if after not in before:
                    before[after] = node
                    reached.append(after)
        level = reached
    return []


def _walk_back(start: int, node: int, before: dict[int, int]) -> list[int]:
    walk = [node]
    while walk[-1] != start:
        walk.append(before[walk[-1]])
    return walk[::-1]
