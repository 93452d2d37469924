"""Circular dependencies."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.analysis.cycles import (
    MAX_SIMPLE_CYCLES,
    shortest_cycle,
    simple_cycles,
    strongly_connected,
)
from tests.simulation.datasets import debian_answers, debian_cone, numbered, small_graphs

NODES = 7
edges_of = st.lists(st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)), max_size=20)


@pytest.mark.parametrize("graph", small_graphs(), ids=lambda g: g["name"])
def test_the_strongly_connected_components_are_exact(graph):
    size, edges = numbered(graph)
    place = {n: i for i, n in enumerate(graph["nodes"])}

    assert strongly_connected(size, edges) == sorted(
        sorted(place[n] for n in part) for part in graph["sccs"] if len(part) > 1
    )


def test_the_package_graphs_components():
    cone = debian_cone()
    edges = sorted({(owner, member) for owner, members in cone["groups"] for member in members})
    found = strongly_connected(len(cone["nodes"]), edges)

    expected = debian_answers()["statistics"]
    assert len(found) == expected["nontrivial_sccs"]
    assert sorted(map(len, found), reverse=True)[:6] == expected["largest_sccs"]
    for part in found:
        witness = shortest_cycle(part, edges)
        assert all(
            step in set(edges) for step in zip(witness, [*witness[1:], witness[0]], strict=True)
        )


@given(edges=edges_of)
def test_each_witness_is_a_shortest_cycle_of_its_component(edges):
    graph = nx.DiGraph([(a, b) for a, b in edges if a != b])

    for part in strongly_connected(NODES, edges):
        witness = shortest_cycle(part, edges)
        assert witness[0] == min(witness)
        assert set(witness) <= set(part)
        assert all(
            graph.has_edge(a, b) for a, b in zip(witness, [*witness[1:], witness[0]], strict=True)
        )
        assert len(witness) == min(map(len, nx.simple_cycles(graph.subgraph(part))))


@given(edges=edges_of)
def test_the_enumeration_is_complete_or_says_that_it_is_not(edges):
    expected = {
        _turned(c) for c in nx.simple_cycles(nx.DiGraph([(a, b) for a, b in edges if a != b]))
    }
    found, truncated = simple_cycles(NODES, edges)

    assert {tuple(c) for c in found} <= expected
    assert truncated is (len(expected) > len(found))
    assert [len(c) for c in found] == sorted(len(c) for c in found)


def test_a_graph_full_of_cycles_is_cut_short():
    found, truncated = simple_cycles(12, [(a, b) for a in range(12) for b in range(12)])

    assert (len(found), truncated) == (MAX_SIMPLE_CYCLES, True)


def test_a_call_to_oneself_is_no_cycle():
    assert strongly_connected(2, [(0, 0), (0, 1)]) == []
    assert simple_cycles(2, [(0, 0), (0, 1)]) == ([], False)


def test_a_ring_of_thousands_has_itself_as_witness():
    ring = [(n, (n + 1) % 5_000) for n in range(5_000)]

    assert shortest_cycle(range(5_000), ring) == list(range(5_000))


def _turned(cycle: list[int]) -> tuple[int, ...]:
    at = cycle.index(min(cycle))
    return tuple(cycle[at:] + cycle[:at])
