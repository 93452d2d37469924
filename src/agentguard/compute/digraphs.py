"""Graphs of numbered nodes: strong components, condensation, dominators, articulation points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import rustworkx as rx
from numpy.typing import NDArray


def digraph(size: int, edges: Iterable[tuple[int, int]]) -> rx.PyDiGraph[None, None]:
    """Return the graph of nodes 0 … size-1, edges as given."""
    graph: rx.PyDiGraph[None, None] = rx.PyDiGraph()
    graph.add_nodes_from([None] * size)
    graph.add_edges_from_no_data(list(edges))
    return graph


@dataclass(frozen=True, slots=True)
class Condensation:
    """A graph's strongly connected components, callees first.

    An edge between two components leads from the later one to the earlier one, so a pass in order
    has seen everything that a component reaches.
    """

    members: tuple[tuple[int, ...], ...]
    """Component → its nodes, sorted."""
    component_of: tuple[int, ...]
    """Node → its component."""


def condensation(size: int, edges: Iterable[tuple[int, int]]) -> Condensation:
    """Return the strongly connected components of a graph in linear time (Tarjan 1972)."""
    parts = rx.strongly_connected_components(digraph(size, edges))
    component_of = [0] * size
    for number, part in enumerate(parts):
        for node in part:
            component_of[node] = number
    return Condensation(tuple(tuple(sorted(part)) for part in parts), tuple(component_of))


def component_numbers(
    size: int, sources: NDArray[np.int64], targets: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the strongly connected component by node, numbered as in `condensation`."""
    parts = rx.strongly_connected_components(
        digraph(size, zip(sources.tolist(), targets.tolist(), strict=True))
    )
    nodes = np.fromiter(chain.from_iterable(parts), np.int64, size)
    numbers = np.empty(size, np.int64)
    numbers[nodes] = np.repeat(np.arange(len(parts)), list(map(len, parts)))
    return numbers


def immediate_dominators(
    size: int, edges: Iterable[tuple[int, int]], entries: Sequence[int]
) -> dict[int, int | None]:
    """Return the closest node through which all paths from the entries to a node lead.

    None where no single node does: at the entries, and where paths of several entries meet.
    Unreachable nodes have no entry in the answer. Computed from a virtual root above the entries
    (Cooper, Harvey and Kennedy 2001); fast in practice, quadratic at worst.
    """
    rooted = [*edges, *((size, entry) for entry in entries)]
    above = rx.immediate_dominators(digraph(size + 1, rooted), size)
    return {
        node: None if dominator == size else dominator
        for node, dominator in above.items()
        if node != size
    }


def articulation_points(size: int, edges: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """Return the nodes without which more parts of the graph have no connection, sorted.

    The direction of edges does not count, so these are bottlenecks of the architecture, not single
    points of failure. Linear time (Hopcroft and Tarjan 1973).
    """
    graph: rx.PyGraph[None, None] = rx.PyGraph(multigraph=False)
    graph.add_nodes_from([None] * size)
    graph.add_edges_from_no_data(sorted({(min(e), max(e)) for e in edges if e[0] != e[1]}))
    return tuple(sorted(rx.articulation_points(graph)))
