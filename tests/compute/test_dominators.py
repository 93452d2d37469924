"""Dominators and articulation points against exact answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.compute.digraphs import articulation_points, immediate_dominators
from tests.simulation.datasets import every_small_graph, numbered

EVERY = [g for g in every_small_graph() if "immediate_dominators" in g and g["root"] is not None]
SMALL = pytest.mark.parametrize("graph", EVERY, ids=lambda g: g["name"])
UNDIRECTED = pytest.mark.parametrize("graph", every_small_graph(), ids=lambda g: g["name"])


@SMALL
def test_immediate_dominators_are_exact(graph):
    size, edges = numbered(graph)
    place = {str(node): i for i, node in enumerate(graph["nodes"])}
    root = graph["nodes"].index(graph["root"])

    found = immediate_dominators(size, edges, [root])

    expected = {
        place[node]: graph["nodes"].index(dominator)
        for node, dominator in graph["immediate_dominators"].items()
    }
    assert found == {root: None} | expected


@UNDIRECTED
def test_articulation_points_are_exact(graph):
    size, edges = numbered(graph)

    found = [graph["nodes"][node] for node in articulation_points(size, edges)]

    assert sorted(found, key=str) == sorted(graph["undirected"]["articulation_points"], key=str)


@given(
    edges=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=24),
    entries=st.sets(st.integers(0, 7), min_size=1, max_size=3),
)
def test_a_dominator_is_what_no_path_avoids(edges, entries):
    found = immediate_dominators(8, edges, sorted(entries))

    for node in range(8):
        strict = _dominators(found, node)
        for other in range(8):
            if node in found and other != node:
                avoided = node not in _reached(edges, entries - {other}, without=other)
                assert (other in strict) == avoided


def test_without_entries_nothing_is_dominated():
    assert immediate_dominators(3, [(0, 1)], []) == {}


def _dominators(found: dict[int, int | None], node: int) -> set[int]:
    strict: set[int] = set()
    above = found.get(node)
    while above is not None:
        strict.add(above)
        above = found[above]
    return strict


def _reached(edges, entries: set[int], *, without: int) -> set[int]:
    seen, waiting = set(entries), list(entries)
    while waiting:
        node = waiting.pop()
        fresh = {b for a, b in edges if a == node and b != without} - seen
        seen |= fresh
        waiting += fresh
    return seen
