"""The least fixpoint of failure, against exact answers and its own definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.simulation.fixpoint import Requirements, failures, requirements
from agentguard.simulation.structural import Structure, degraded
from tests.simulation.datasets import debian_answers, debian_cone, numbered, small_graphs

NODES = 8
node = st.integers(0, NODES - 1)
groups = st.lists(st.tuples(node, st.lists(node, min_size=1, max_size=3)), max_size=16)
some = st.sets(node, min_size=1, max_size=3)


@pytest.fixture(scope="module")
def place() -> dict[str, int]:
    return {name: i for i, name in enumerate(debian_cone()["nodes"])}


@pytest.fixture(scope="module")
def debian(place) -> Requirements:
    return requirements(len(place), debian_cone()["groups"])


def names_of(numbers) -> list[str]:
    return sorted(debian_cone()["nodes"][n] for n in numbers)


def test_every_blast_radius_of_the_package_graph_is_exact(debian, place):
    expected = {
        package: answer["blast_radius"] for package, answer in debian_answers()["packages"].items()
    }

    assert len(expected) == 62
    assert {package: len(failures(debian, [place[package]])) for package in expected} == expected


def test_the_package_graphs_exact_sets(debian, place):
    for package, expected in debian_answers()["exact_sets"].items():
        assert names_of(failures(debian, [place[package]])) == sorted(expected)


def test_failures_that_only_bite_together(debian, place):
    for pair in debian_answers()["pairs"]:
        first, second = (place[package] for package in pair["remove"])
        both = failures(debian, [first, second]).keys()
        alone = failures(debian, [first]).keys() | failures(debian, [second]).keys()

        assert len(both) == pair["blast"]
        assert len(both - alone) == pair["only_when_both"]


def test_what_is_broken_before_any_failure_is_no_failure(debian):
    assert names_of(debian.broken) == sorted(
        debian_answers()["statistics"]["broken_before_any_failure"]
    )
    assert failures(debian, []) == {}


def test_all_blast_radii_together(debian, place):
    sizes = [len(failures(debian, [n])) for n in range(len(place))]

    assert sum(sizes) == debian_answers()["statistics"]["sum_of_blast_radius"]
    assert sum(size > 0 for size in sizes) == debian_answers()["statistics"]["nonempty_blast"]


def test_packages_that_everyone_needs(place):
    cone = debian_cone()
    everyone = [
        (owner, [needed])
        for owner in range(len(place))
        for needed in cone["essential"]
        if owner != needed
    ]
    needs = requirements(len(place), [*cone["groups"], *everyone])

    for package, answer in debian_answers()["essential_implied"].items():
        assert len(failures(needs, [place[package]])) == answer["blast"]


def test_packages_that_lose_all_of_a_recommendation_are_degraded(debian, place):
    cone = debian_cone()
    soft = tuple((owner, tuple(members)) for owner, members in cone["soft"])
    structure = Structure(tuple(cone["nodes"]), (), (), place, debian, soft, runs={})

    for package, answer in debian_answers()["packages"].items():
        found = {d.id for d in degraded(structure, [package])}
        assert (
            len(found - set(debian_answers()["statistics"]["broken_before_any_failure"]))
            == answer["degraded"]
        ), package


@pytest.mark.parametrize("graph", small_graphs(), ids=lambda g: g["name"])
def test_without_alternatives_everything_that_can_reach_it_fails(graph):
    size, edges = numbered(graph)
    needs = requirements(size, [(a, [b]) for a, b in edges])

    for n, name in enumerate(graph["nodes"]):
        assert len(failures(needs, [n])) == graph["reverse_reach"][str(name)]


@pytest.mark.parametrize(
    "name", ["diamond", "path_6", "random_dag_40", "two_entries_shared_db", "microservices_demo"]
)
def test_where_any_callee_will_do_the_single_points_are_the_dominators(name):
    """On a graph without cycles.

    The root fails with x, as seen from t, exactly where x dominates t.
    """
    graph = next(g for g in small_graphs() if g["name"] == name)
    size, edges = numbered(graph)
    place = {n: i for i, n in enumerate(graph["nodes"])}
    root = place[graph["root"]]
    above = {
        place[type(graph["nodes"][0])(n)]: place[d]
        for n, d in graph["immediate_dominators"].items()
    }

    for goal in above:
        useful = _can_reach(goal, edges)
        needs = requirements(
            size, [(n, [b for a, b in edges if a == n and b in useful]) for n in useful - {goal}]
        )
        single = {x for x in range(size) if x in (root, goal) or root in failures(needs, [x])}

        assert single == _chain(goal, above, root)


@given(groups=groups, failed=some)
def test_it_is_the_least_set_closed_under_the_rule(groups, failed):
    found = set(failures(requirements(NODES, groups), failed))

    expected: set[int] = set()
    while (
        more := {o for o, members in groups if set(members) <= failed | expected}
        - failed
        - expected
    ):
        expected |= more
    assert found == expected


@given(groups=groups, failed=some, also=node)
def test_one_more_failure_never_shrinks_the_impact(groups, failed, also):
    needs = requirements(NODES, groups)

    assert failures(needs, failed).keys() - {also} <= failures(needs, failed | {also}).keys()


@given(groups=groups.filter(bool), failed=some, which=st.integers(0, 100), member=node)
def test_one_more_alternative_never_grows_the_impact(groups, failed, which, member):
    owner, members = groups[which % len(groups)]
    richer = [*groups, (owner, [*members, member])]
    richer.remove((owner, members))

    assert (
        failures(requirements(NODES, richer), failed).keys()
        <= failures(requirements(NODES, groups), failed).keys()
    )


@given(groups=groups, failed=some, data=st.data())
def test_the_order_of_the_groups_does_not_matter(groups, failed, data):
    shuffled = data.draw(st.permutations(groups))

    assert failures(requirements(NODES, groups), failed) == failures(
        requirements(NODES, shuffled), failed
    )


@given(groups=groups, failed=some)
def test_causes_lead_down_to_a_failed_node(groups, failed):
    causes = failures(requirements(NODES, groups), failed)

    for start in causes:
        walk = [start]
        while walk[-1] in causes:
            walk.append(causes[walk[-1]])
            assert len(walk) <= NODES
        assert walk[-1] in failed


def _can_reach(goal: int, edges: list[tuple[int, int]]) -> set[int]:
    found = {goal}
    while more := {a for a, b in edges if b in found} - found:
        found |= more
    return found


def _chain(goal: int, above: dict[int, int], root: int) -> set[int]:
    chain = {root}
    while goal != root:
        chain.add(goal)
        goal = above[goal]
    return chain
