"""The shortest simple cycles of a graph that has too many to list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

_MOST_STEPS = 2_000_000
"""Edges looked at: seconds at most."""


class _OutOfStepsError(Exception):
    """The search has used all of its steps."""


def shortest_cycles(
    size: int, edges: Sequence[tuple[int, int]], most: int, *, steps: int = _MOST_STEPS
) -> list[list[int]]:
    """Return the shortest simple cycles of two or more nodes, each from its smallest node on.

    Searches length by length (iterative deepening), and only along nodes from which the start can
    still be reached in time: Gupta and Suzumura, "Finding All Bounded-Length Simple Cycles in a
    Directed Graph" (2021). If its steps are used up, those found until then are the shortest.
    """
    search = _Search.over(size, edges, steps)
    found: list[list[int]] = []
    try:
        for length in range(2, size + 1):
            for cycle in islice(search.of_length(length), most - len(found)):
                found.append(cycle)  # noqa: PERF402 - what is found before an error counts
            if len(found) == most:
                break
    except _OutOfStepsError:
        pass
    return found


@dataclass(slots=True)
class _Search:
    """A graph, and how many of its edges may still be looked at."""

    following: Sequence[Sequence[int]]
    preceding: Sequence[Sequence[int]]
    steps: int

    @classmethod
    def over(cls, size: int, edges: Sequence[tuple[int, int]], steps: int) -> _Search:
        following: list[list[int]] = [[] for _ in range(size)]
        preceding: list[list[int]] = [[] for _ in range(size)]
        for source, target in sorted(set(edges)):
            if source != target:
                following[source].append(target)
                preceding[target].append(source)
        return cls(following, preceding, steps)

    def of_length(self, length: int) -> Iterator[list[int]]:
        """Yield the cycles of exactly this many nodes, sorted."""
        for start in range(len(self.following)):
            if self.following[start] and self.preceding[start]:
                distance = self._distances(start, length - 1)
                yield from self._through(start, length, distance)

    def _distances(self, start: int, most: int) -> Mapping[int, int]:
        """Return how far the start is from nodes above it, up to this many edges."""
        distance = {start: 0}
        level = [start]
        for far in range(1, most + 1):
            before = [n for node in level for n in self._looked_at(self.preceding[node])]
            level = list(dict.fromkeys(n for n in before if n > start and n not in distance))
            distance |= dict.fromkeys(level, far)
        return distance

    def _through(self, start: int, length: int, distance: Mapping[int, int]) -> Iterator[list[int]]:
        """Yield the cycles of this length whose smallest node is the start."""
        path, ahead = [start], [iter(self._looked_at(self.following[start]))]
        while ahead:
            node = next(ahead[-1], None)
            if node is None:
                ahead.pop()
                path.pop()
            elif node == start and len(path) == length:
                yield list(path)
            elif node not in path and len(path) + distance.get(node, length) <= length:
                path.append(node)
                ahead.append(iter(self._looked_at(self.following[node])))

    def _looked_at(self, nodes: Sequence[int]) -> Sequence[int]:
        """Return the nodes, and count them as steps. Raises _OutOfStepsError."""
        self.steps -= len(nodes) + 1
        if self.steps < 0:
            raise _OutOfStepsError
        return nodes
