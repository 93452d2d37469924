"""How central components are: betweenness and PageRank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import rustworkx as rx

from agentguard.compute.digraphs import digraph

EXACT_WORK = 50_000_000
"""Nodes × edges up to which betweenness is exact: about two seconds.

Above it, betweenness is estimated from SAMPLED_SOURCES sources.
"""

SAMPLED_SOURCES = 200

_DAMPING = 0.85
_TOLERANCE = 1e-13
_SEQUENTIAL = 2**31
"""A threshold for parallel work that is never reached.

Sums in a fixed order are the same bits every time.
"""


@dataclass(frozen=True, slots=True)
class Betweenness:
    """Betweenness by node (directed, normalized by (n-1)(n-2)) and how it was computed."""

    values: tuple[float, ...]
    exact: bool
    sources: int


def betweenness(
    size: int, edges: Sequence[tuple[int, int]], *, seed: int, exact_work: int = EXACT_WORK
) -> Betweenness:
    """Return each node's share of the shortest paths between all ordered pairs of other nodes.

    Exact up to exact_work = nodes × edges (Brandes 2001); above, scaled up from sampled sources
    (Brandes and Pich 2007).
    """
    proper = sorted({(a, b) for a, b in edges if a != b})
    if size < 3:
        return Betweenness((0.0,) * size, exact=True, sources=size)
    if size * len(proper) <= exact_work:
        found = rx.digraph_betweenness_centrality(
            digraph(size, proper), normalized=True, parallel_threshold=_SEQUENTIAL
        )
        return Betweenness(tuple(found[node] for node in range(size)), exact=True, sources=size)
    sources = min(size, SAMPLED_SOURCES)
    chosen = np.sort(np.random.default_rng(seed).choice(size, sources, replace=False))
    return Betweenness(
        sampled_betweenness(size, proper, chosen.tolist()), exact=sources == size, sources=sources
    )


def sampled_betweenness(
    size: int, edges: Sequence[tuple[int, int]], sources: Sequence[int]
) -> tuple[float, ...]:
    """Return betweenness from these sources alone, scaled to all nodes.

    Exact when every node is a source.
    """
    following: list[list[int]] = [[] for _ in range(size)]
    for a, b in edges:
        following[a].append(b)
    total = [0.0] * size
    for source in sources:
        for node, share in _dependencies(source, following).items():
            total[node] += share
    scale = size / len(sources) / ((size - 1) * (size - 2))
    return tuple(value * scale for value in total)


def pagerank(size: int, edges: Sequence[tuple[int, int]]) -> tuple[float, ...]:
    """Return PageRank along the edges: damping 0.85, uniform teleport.

    The rank of nodes without callees is spread evenly.
    """
    if not size:
        return ()
    found = rx.pagerank(
        digraph(size, sorted(set(edges))), alpha=_DAMPING, tol=_TOLERANCE, max_iter=1_000
    )
    return tuple(found[node] for node in range(size))


def _dependencies(source: int, following: list[list[int]]) -> dict[int, float]:
    """Return, by node, its share of the shortest paths from source to all other nodes."""
    paths, distance, order = {source: 1.0}, {source: 0}, [source]
    before: dict[int, list[int]] = {source: []}
    for node in order:
        for after in following[node]:
            if after not in distance:
                distance[after], paths[after], before[after] = distance[node] + 1, 0.0, []
                order.append(after)
            if distance[after] == distance[node] + 1:
                paths[after] += paths[node]
                before[after].append(node)
    through = dict.fromkeys(order, 0.0)
    for node in reversed(order):
        for above in before[node]:
            through[above] += paths[above] / paths[node] * (1.0 + through[node])
    del through[source]
    return through
