"""How central components are: betweenness and PageRank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import rustworkx as rx
from numpy.typing import NDArray

from agentguard.compute.digraphs import digraph

EXACT_WORK = 50_000_000
"""Nodes × edges up to which betweenness is exact: about two seconds.

Above it, betweenness is estimated from SAMPLED_SOURCES sources.
"""

SAMPLED_SOURCES = 200

_STEPS_AT_ONCE = 2_000_000
"""Edges × sources searched together: bounds memory to some tens of MB."""

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
    paths = _Paths.over(size, edges)
    total = np.zeros(size)
    together = max(1, _STEPS_AT_ONCE // max(1, len(edges)))
    for first in range(0, len(sources), together):
        total += paths.through(np.asarray(sources[first : first + together], np.int64))
    return tuple((total * size / len(sources) / ((size - 1) * (size - 2))).tolist())


def pagerank(size: int, edges: Sequence[tuple[int, int]]) -> tuple[float, ...]:
    """Return PageRank along the edges: damping 0.85, uniform teleport.

    The rank of nodes without callees is spread evenly, which only scales the ranks: they are the
    normalized solution of y = 1 + 0.85 × (what y passes on), summed as a series over the lengths of
    paths (Bianchini, Gori and Scarselli 2005). Without cycles it ends at the longest path.
    """
    if not size:
        return ()
    sources, targets = _distinct(size, edges)
    passed_on: NDArray[np.float64] = _DAMPING / np.bincount(sources, minlength=size).clip(1)
    share: NDArray[np.float64] = np.ones(size)
    ranks = share
    while share.sum() > _TOLERANCE * ranks.sum():
        received = np.bincount(targets, (share * passed_on)[sources], minlength=size)
        share = received.astype(np.float64)
        ranks = ranks + share
    found: NDArray[np.float64] = ranks / ranks.sum()
    return tuple(found.tolist())


def _distinct(
    size: int, edges: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the sources and the targets of the edges, sorted, each edge once."""
    ends = np.fromiter(chain.from_iterable(edges), np.int64, 2 * len(edges)).reshape(-1, 2)
    return np.divmod(np.unique(ends[:, 0] * size + ends[:, 1]), size)


@dataclass(frozen=True, slots=True, eq=False)
class _Paths:
    """Shortest paths from several sources at once: node n of the k-th source is k × size + n."""

    size: int
    starts: NDArray[np.int64]
    """Node → its first edge in `targets`, with the end of the last one."""
    targets: NDArray[np.int64]

    @classmethod
    def over(cls, size: int, edges: Sequence[tuple[int, int]]) -> _Paths:
        ends = np.array(sorted(edges), np.int64).reshape(-1, 2)
        return cls(size, np.searchsorted(ends[:, 0], np.arange(size + 1)), ends[:, 1].copy())

    def through(self, sources: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return, by node, the sum over these sources of its share of their shortest paths."""
        begins = np.arange(len(sources)) * self.size + sources
        count = np.zeros(len(sources) * self.size)
        share = np.zeros_like(count)
        count[begins] = 1.0
        levels = list(self._levels(begins, count))
        for above, below in reversed(levels):
            np.add.at(share, above, count[above] / count[below] * (1.0 + share[below]))
        share[begins] = 0.0
        found: NDArray[np.float64] = share.reshape(len(sources), self.size).sum(axis=0)
        return found

    def _levels(
        self, begins: NDArray[np.int64], count: NDArray[np.float64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield the edges of shortest paths, nearest first, and count the paths to each node."""
        reached = np.zeros(len(count), np.bool_)
        row = np.empty(len(count), np.int64)
        level = begins
        while len(level):
            reached[level] = True
            above, below = self._edges_of(level)
            fresh = ~reached[below]
            above, below = above[fresh], below[fresh]
            np.add.at(count, below, count[above])
            yield above, below
            row[below] = np.arange(len(below))
            level = below[row[below] == np.arange(len(below))]

    def _edges_of(self, level: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        source, node = np.divmod(level, self.size)
        first, number = self.starts[node], np.diff(self.starts)[node]
        ends = np.cumsum(number)
        edge = np.arange(int(number.sum())) + np.repeat(first - ends + number, number)
        return np.repeat(level, number), np.repeat(source * self.size, number) + self.targets[edge]
