"""Integer graphs as rustworkx takes them."""

from __future__ import annotations

from collections.abc import Sequence

import rustworkx as rx


def digraph(size: int, edges: Sequence[tuple[int, int]]) -> rx.PyDiGraph[None, None]:
    """Return the graph of nodes 0 … size-1, edges as given."""
    graph: rx.PyDiGraph[None, None] = rx.PyDiGraph()
    graph.add_nodes_from([None] * size)
    graph.add_edges_from_no_data(list(edges))
    return graph
