"""All single failures at once, against each of them alone."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.simulation import single_failures as module
from agentguard.simulation.fixpoint import failures, requirements
from agentguard.simulation.merging import merged
from agentguard.simulation.single_failures import failing_nodes, single_failures
from tests.simulation.datasets import debian_answers, debian_cone, numbered, small_graphs

NODES = 12
node = st.integers(0, NODES - 1)
groups_of = st.lists(st.tuples(node, st.lists(node, max_size=3)), max_size=24)


@pytest.fixture(params=[3, 8_192], ids=["many passes", "one pass"])
def at_once(request, monkeypatch) -> None:
    """Let a pass compute so many failures."""
    monkeypatch.setattr(module, "AT_ONCE", request.param)


@pytest.fixture(scope="module")
def place() -> dict[str, int]:
    return {name: i for i, name in enumerate(debian_cone()["nodes"])}


def sizes(size: int, groups) -> list[int]:
    every = range(size)
    plan = merged(requirements(size, groups))
    return single_failures(plan, every, counted=every, watched=range(0)).sizes.tolist()


def test_every_blast_radius_of_the_package_graph_is_exact(place):
    found = sizes(len(place), debian_cone()["groups"])

    answers = debian_answers()
    expected = {package: a["blast_radius"] for package, a in answers["packages"].items()}
    assert len(expected) == 62
    assert {package: found[place[package]] for package in expected} == expected
    assert sum(found) == answers["statistics"]["sum_of_blast_radius"]
    assert np.count_nonzero(found) == answers["statistics"]["nonempty_blast"]


@pytest.mark.parametrize("graph", small_graphs(), ids=lambda g: g["name"])
def test_without_alternatives_everything_that_can_reach_it_fails(graph):
    size, edges = numbered(graph)

    found = sizes(size, [(a, [b]) for a, b in edges])

    assert found == [graph["reverse_reach"][str(name)] for name in graph["nodes"]]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("seed", range(25))
def test_graphs_with_cycles_through_alternatives(seed):
    chance = np.random.default_rng(seed)
    size = 60
    groups = [
        (
            int(chance.integers(size)),
            chance.integers(size, size=int(chance.integers(1, 4))).tolist(),
        )
        for _ in range(int(chance.integers(20, 150)))
    ]
    needs = requirements(size, groups)

    assert sizes(size, groups) == [len(failures(needs, [n])) for n in range(size)]


@given(groups=groups_of)
def test_the_failing_nodes_are_those_of_each_failure_alone(groups):
    needs = requirements(NODES, groups)

    found = failing_nodes(merged(needs), range(NODES))

    alone = [failures(needs, [n]).keys() | ({n} - needs.broken) for n in range(NODES)]
    assert [set(np.flatnonzero(row).tolist()) for row in found] == alone


@given(groups=groups_of, counted=st.tuples(node, node), failing=st.lists(node, max_size=5))
def test_only_the_wanted_nodes_are_counted(groups, counted, failing):
    needs, wanted = requirements(NODES, groups), range(min(counted), max(counted))

    found = single_failures(merged(needs), failing, counted=wanted, watched=range(0))

    assert found.sizes.tolist() == [
        len([n for n in failures(needs, [x]) if n in wanted]) for x in failing
    ]


@given(groups=groups_of)
def test_failures_of_one_effect_take_down_the_same(groups):
    needs = requirements(NODES, groups)
    found = single_failures(merged(needs), range(NODES), counted=range(NODES), watched=range(NODES))

    for a, b in combinations(range(NODES), 2):
        if found.effect[a] == found.effect[b] and not {a, b} & needs.broken:
            assert failures(needs, [a]).keys() | {a} == failures(needs, [b]).keys() | {b}
