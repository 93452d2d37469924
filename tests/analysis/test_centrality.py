"""Betweenness and PageRank against exact answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.analysis.centrality import betweenness, pagerank, sampled_betweenness
from tests.simulation.datasets import debian_answers, debian_cone, numbered, small_graphs

SMALL = pytest.mark.parametrize("graph", small_graphs(), ids=lambda g: g["name"])


def answers(graph, key) -> list[float]:
    return [graph[key][str(node)] for node in graph["nodes"]]


@SMALL
def test_betweenness_is_exact(graph):
    size, edges = numbered(graph)
    found = betweenness(size, edges, seed=0)

    assert found.exact
    assert found.values == pytest.approx(answers(graph, "betweenness_normalized"), abs=1e-9)


@SMALL
def test_pagerank_is_exact(graph):
    size, edges = numbered(graph)

    assert pagerank(size, edges) == pytest.approx(answers(graph, "pagerank_0.85"), abs=1e-9)


@SMALL
def test_sampling_every_source_gives_the_exact_value(graph):
    size, edges = numbered(graph)
    proper = sorted({(a, b) for a, b in edges if a != b})

    assert sampled_betweenness(size, proper, range(size)) == pytest.approx(
        answers(graph, "betweenness_normalized"), abs=1e-9
    )


def test_the_package_graphs_most_central_packages():
    cone = debian_cone()
    edges = sorted({(owner, member) for owner, members in cone["groups"] for member in members})
    ranks = sorted(
        zip(pagerank(len(cone["nodes"]), edges), cone["nodes"], strict=True), reverse=True
    )

    expected = debian_answers()["statistics"]["pagerank_top10"]
    assert [name for _, name in ranks[:10]] == [name for name, _ in expected]
    assert [rank for rank, _ in ranks[:10]] == pytest.approx(
        [rank for _, rank in expected], abs=1e-9
    )


def test_a_large_graph_is_sampled_says_so_and_repeats_itself():
    size, edges = 400, [(n, (n * 7 + k) % 400) for n in range(400) for k in range(3)]
    exact, first, again = (
        betweenness(size, edges, seed=5),
        *(betweenness(size, edges, seed=5, exact_work=0) for _ in range(2)),
    )

    assert (first.exact, first.sources) == (False, 200)
    assert first == again
    assert max(abs(a - b) for a, b in zip(exact.values, first.values, strict=True)) < 0.02


@given(edges=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))), data=st.data())
def test_the_order_of_edges_does_not_matter(edges, data):
    shuffled = data.draw(st.permutations(edges))

    assert betweenness(10, edges, seed=0) == betweenness(10, shuffled, seed=0)
    assert pagerank(10, edges) == pagerank(10, shuffled)


@pytest.mark.parametrize("size", [0, 1, 2])
def test_the_smallest_graphs(size):
    assert betweenness(size, [], seed=0).values == (0.0,) * size
    assert sum(pagerank(size, [])) == pytest.approx(1.0 if size else 0.0)
