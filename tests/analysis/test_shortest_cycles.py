"""The shortest of very many cycles."""

from __future__ import annotations

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from agentguard.analysis.cycles import MAX_SIMPLE_CYCLES, simple_cycles
from agentguard.analysis.shortest_cycles import shortest_cycles

NODES = 7
edges_of = st.lists(st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)), max_size=30)


@given(edges=edges_of, most=st.integers(1, 60))
def test_they_are_the_shortest_of_all_cycles(edges, most):
    every = list(nx.simple_cycles(nx.DiGraph([(a, b) for a, b in edges if a != b])))
    found = shortest_cycles(NODES, edges, most)

    assert [len(c) for c in found] == sorted(map(len, every))[:most]
    assert len({tuple(c) for c in found}) == len(found)
    assert all(c[0] == min(c) for c in found)
    assert {frozenset(c) for c in found} <= {frozenset(c) for c in every}


def test_a_short_cycle_is_found_beside_thousands_of_long_ones():
    length = 157
    ring = [(n, (n + 1) % length) for n in range(length)]
    detours = [(n, n + 2) for n in range(0, length - 2, 2)]
    pair = [(length - 1, length), (length, length - 1)]

    found, truncated = simple_cycles(length + 1, [*ring, *detours, *pair])

    assert found[0] == [length - 1, length]
    assert truncated
    assert [len(c) for c in found] == sorted(len(c) for c in found)


def test_in_a_large_knot_the_pairs_come_first():
    size = 2_000
    steps = [(n, (n + jump) % size) for n in range(size) for jump in (1, 7, 31, 101, 499)]
    pairs = [(n + 1, n) for n in range(0, 2 * MAX_SIMPLE_CYCLES, 2)]

    found, truncated = simple_cycles(size, [*steps, *pairs])

    assert found == [[n, n + 1] for n in range(0, 2 * MAX_SIMPLE_CYCLES, 2)]
    assert truncated


def test_the_search_ends_with_its_steps_and_keeps_what_it_found():
    pairs = [(n, n + 1) for n in range(9)] + [(n + 1, n) for n in range(9)]
    long = [(n, (n + 1) % 500) for n in range(500)]

    found = shortest_cycles(500, [*pairs, *long], 20, steps=5_000)

    assert found == [[n, n + 1] for n in range(9)]
