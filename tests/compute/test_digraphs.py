"""Strongly connected components and dominators, against exact answers and their definitions."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.compute.digraphs import condensation, immediate_dominators
from tests.simulation.datasets import numbered, small_graphs

NODES = 8
node = st.integers(0, NODES - 1)
edges_of = st.lists(st.tuples(node, node), max_size=24)
rooted = [g for g in small_graphs() if g.get("immediate_dominators")]


@given(edges=edges_of)
def test_components_are_the_sets_of_nodes_that_reach_each_other(edges):
    found = condensation(NODES, edges)

    graph = nx.DiGraph(edges)
    graph.add_nodes_from(range(NODES))
    assert {frozenset(part) for part in found.members} == {
        frozenset(part) for part in nx.strongly_connected_components(graph)
    }
    assert all(n in found.members[found.component_of[n]] for n in range(NODES))


@given(edges=edges_of)
def test_callees_come_before_their_callers(edges):
    of = condensation(NODES, edges).component_of

    assert all(of[callee] <= of[caller] for caller, callee in edges)


@pytest.mark.parametrize("graph", rooted, ids=lambda g: g["name"])
def test_immediate_dominators_are_exact(graph):
    size, edges = numbered(graph)
    place = {str(name): i for i, name in enumerate(graph["nodes"])}

    found = immediate_dominators(size, edges, [place[str(graph["root"])]])

    assert {n: d for n, d in found.items() if d is not None} == {
        place[n]: place[str(d)] for n, d in graph["immediate_dominators"].items()
    }


@given(edges=edges_of, entries=st.lists(node, min_size=1, max_size=3), goal=node)
def test_the_dominators_are_the_nodes_without_which_no_path_is_left(edges, entries, goal):
    above = immediate_dominators(NODES, edges, entries)

    assert (goal in above) == (goal in _reached(edges, entries, without=None))
    if goal in above:
        needed = {n for n in range(NODES) if goal not in _reached(edges, entries, without=n)}
        assert needed == _chain(above, goal)


def _reached(edges, entries, *, without) -> set[int]:
    seen: set[int] = set()
    waiting = [entry for entry in entries if entry != without]
    while waiting:
        at = waiting.pop()
        seen.add(at)
        waiting += [b for a, b in edges if a == at and b != without and b not in seen]
    return seen


def _chain(above: dict[int, int | None], goal: int) -> set[int]:
    at: int | None = goal
    found = set()
    while at is not None:
        found.add(at)
        at = above[at]
    return found
