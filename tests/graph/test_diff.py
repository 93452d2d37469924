"""What changed between two graphs."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agentguard.graph.diff import Changes, Pair, diff
from agentguard.graph.model import Graph
from agentguard.graph.significance import Comparison, Measure
from tests.graph.handmade import CHECKOUT, FRAUD, PAYMENT, shop
from tests.simulation.strategies import recorded_worlds

graphs = recorded_worlds().map(lambda world: world[0])


def mirrored(changes: Changes) -> Changes:
    return Changes(
        changes.gone,
        changes.new,
        tuple(map(turned, changes.changed)),
        tuple(map(turned, changes.undecided)),
    )


def turned(pair: Pair) -> Pair:
    measures = (Comparison(c.measure, c.after, c.before, c.verdict) for c in pair.measures)
    return Pair(pair.after, pair.before, tuple(measures))


@given(graphs)
def test_a_graph_does_not_differ_from_itself(graph: Graph) -> None:
    found = diff(graph, graph)

    assert found.none
    assert not found.components.undecided
    assert not found.dependencies.undecided


@given(graphs, graphs)
def test_the_way_back_mirrors_the_way_there(a: Graph, b: Graph) -> None:
    there, back = diff(a, b), diff(b, a)

    assert back.components == mirrored(there.components)
    assert back.dependencies == mirrored(there.dependencies)
    assert back.workflows == mirrored(there.workflows)


@given(graphs, st.randoms(use_true_random=False))
def test_the_order_of_components_does_not_matter(graph: Graph, random) -> None:
    shuffled = replace(
        graph,
        components=tuple(random.sample(graph.components, len(graph.components))),
        dependencies=tuple(random.sample(graph.dependencies, len(graph.dependencies))),
    )

    assert diff(Graph(), shuffled) == diff(Graph(), graph)


def test_components_and_their_dependencies_come_and_go() -> None:
    without = replace(
        shop(),
        components=tuple(c for c in shop().components if c != FRAUD),
        dependencies=tuple(d for d in shop().dependencies if d.target != FRAUD.id),
    )

    found = diff(without, shop())

    assert [c.id for c in found.components.new] == [FRAUD.id]
    assert [(d.source, d.target) for d in found.dependencies.new] == [(CHECKOUT.id, FRAUD.id)]
    assert not found.components.gone
    assert not found.components.changed


def test_a_changed_error_share_names_both_sides() -> None:
    calm = replace(PAYMENT, invocations=1000, errors=10)
    upset = replace(PAYMENT, invocations=1000, errors=300)

    (pair,) = diff(Graph((calm,)), Graph((upset,))).components.changed

    (measure,) = pair.measures
    assert (pair.before, pair.after) == (calm, upset)
    assert measure.measure is Measure.ERROR_SHARE
    assert (measure.before.value, measure.after.value) == (0.01, 0.3)


def test_what_too_few_observations_show_is_undecided_and_no_change() -> None:
    found = diff(
        Graph((replace(PAYMENT, invocations=3, errors=0),)),
        Graph((replace(PAYMENT, invocations=3, errors=1),)),
    )

    assert found.none
    assert [pair.after.id for pair in found.components.undecided] == [PAYMENT.id]
