"""Single points of failure, risk, and the whole analysis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.analysis.analyze import analyze
from agentguard.analysis.documents import analysis_document
from agentguard.analysis.impact import impacts
from agentguard.analysis.risk import WEIGHTS
from agentguard.analysis.spofs import spofs
from agentguard.catalog.matching import match
from agentguard.catalog.reading import read_catalog
from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.model import Graph, Workflow
from agentguard.simulation.engine import simulate
from tests.simulation.strategies import recorded_worlds, seeds
from tests.simulation.worlds import call, component, fallback, needs, record, workflow, world

SHOP = world(
    needs("Checkout", "Payment"),
    needs("Checkout", "Advice", calls=2, source_runs=2),
    needs("Payment", "bank", DependencyType.HTTP),
    workflows=[workflow("shop", "Checkout"), workflow("desk", "Desk")],
    components=[component("bank", ComponentKind.EXTERNAL), component("Desk")],
)
SHOPPING = record(
    [("shop", call("Checkout", call("Payment", call("bank"))))] * 8
    + [("shop", call("Checkout", call("Advice"), call("Payment", call("bank"))))] * 2
    + [("desk", call("Desk"))] * 10
)


def points(graph, runs) -> dict[str, list[str]]:
    return {s.component: [w.workflow for w in s.workflows] for s in analyze(graph, runs).spofs}


def test_single_points_by_workflow():
    assert points(SHOP, SHOPPING) == {
        "Checkout": ["shop"],
        "Desk": ["desk"],
        "Payment": ["shop"],
        "bank": ["shop"],
    }


def test_single_points_without_runs_come_from_structure():
    (shop,) = next(s for s in analyze(SHOP, None).spofs if s.component == "bank").workflows

    assert (shop.structural, shop.runs_lost, shop.share, shop.is_entry) == (True, None, None, False)


def test_what_few_runs_need_is_no_single_point():
    assert "Advice" not in points(SHOP, SHOPPING)


def test_half_of_the_runs_lost_is_enough_even_where_structure_does_not_say_so():
    graph = world(
        needs("A", "B"),
        needs("A", "C"),
        needs("B", "db"),
        needs("C", "db"),
        workflows=[workflow("w", "A")],
    )
    either = [("w", call("A", call(name, call("db")))) for name in "BC"]
    known = [
        ("w", call("A", call(name, call("db", failed=True), failed=True), failed=True))
        for name in "BC"
    ]
    runs = record([*either * 3, *[("w", call("A"))] * 2, *known])

    (found,) = (s for s in analyze(graph, runs).spofs if s.component == "db")
    assert not found.workflows[0].structural
    assert found.workflows[0].runs_lost == pytest.approx(6, abs=0.4)


def test_runs_that_failed_anyway_do_not_hide_a_single_point():
    graph = world(needs("A", "B", calls=2, source_runs=2), workflows=[workflow("w", "A", failed=8)])
    broken = ("w", call("A", call("B", failed=True), failed=True))
    runs = record([broken] * 8 + [("w", call("A", call("B")))] * 2)

    (found,) = (s for s in analyze(graph, runs).spofs if s.component == "B")
    assert found.workflows[0].runs_failed == 8
    assert found.workflows[0].share == pytest.approx(0.2, abs=0.01)


def test_a_component_with_a_working_fallback_is_no_single_point():
    graph = world(
        needs("A", "B"),
        needs("A", "C", calls=1),
        fallbacks=[fallback("A", "B", "C")],
        workflows=[workflow("w", "A")],
    )
    runs = record(
        [
            ("w", call("A", call("B", failed=True), call("C", rescues=True))),
            *[("w", call("A", call("B")))] * 9,
        ]
    )

    assert points(graph, runs) == {"A": ["w"]}


def test_a_workflow_component_is_nothing_that_could_fail_alone():
    flow = component("flow", ComponentKind.WORKFLOW)
    graph = world(needs("flow", "A"), workflows=[workflow("w", "flow")], components=[flow])
    found = analyze(graph, None)

    assert [s.component for s in found.spofs] == ["A"]
    assert [r.component for r in found.risks] == ["A"]


def test_every_impact_is_what_the_simulation_of_that_component_finds():
    found = impacts(SHOP, SHOPPING, seed=3)

    for c in SHOP.components:
        alone = simulate(SHOP, SHOPPING, [c.id], seed=3)
        assert found.of[c.id].blast_radius == alone.blast_radius
        assert found.of[c.id].runs_lost == {
            w.id: w.runs_lost for w in alone.workflows if w.runs_lost
        }
        assert found.of[c.id].structural_workflows == set(alone.structural_workflows)


@settings(max_examples=12, deadline=None)
@given(made=recorded_worlds(), seed=seeds)
def test_impacts_found_together_are_those_found_one_by_one(made, seed):
    graph, runs = made
    replayed, structural = impacts(graph, runs, seed=seed), impacts(graph, None, seed=seed)

    for c in graph.components:
        alone = simulate(graph, runs, [c.id], seed=seed)
        assert replayed.of[c.id].blast_radius == alone.blast_radius
        assert replayed.of[c.id].structural_workflows == set(alone.structural_workflows)
        assert (
            structural.of[c.id].blast_radius
            == simulate(graph, None, [c.id], seed=seed).blast_radius
        )


@settings(max_examples=12, deadline=None)
@given(made=recorded_worlds(), seed=seeds, data=st.data())
def test_the_order_of_the_graph_does_not_matter(made, seed, data):
    graph, runs = made
    parts = (graph.components, graph.dependencies, graph.fallbacks, graph.workflows)
    components, dependencies, fallbacks, workflows = (
        tuple(data.draw(st.permutations(part))) for part in parts
    )
    turned = Graph(components, dependencies, fallbacks, workflows)
    before, after = (
        analysis_document(analyze(graph, runs, seed=seed)),
        analysis_document(analyze(turned, runs, seed=seed)),
    )

    assert after == before
    assert json.loads(json.dumps(before)) == before


def test_a_cycle_has_a_witness_with_evidence():
    graph = world(
        needs("A", "B"),
        needs("B", "C"),
        needs("C", "A"),
        needs("C", "B"),
        workflows=[workflow("w", "A")],
    )
    (cycle,) = analyze(graph, None).cycles

    assert (cycle.components, cycle.witness) == (("A", "B", "C"), ("B", "C"))
    assert [e.trace_id for e in cycle.evidence] == ["B-C", "C-B"]


def test_a_risk_is_the_sum_of_its_factors_and_never_above_ten():
    for risk in analyze(SHOP, SHOPPING).risks:
        assert 0 <= risk.score <= 10
        assert risk.score == pytest.approx(sum(f.contribution for f in risk.factors))
        assert sum(f.weight for f in risk.factors) == pytest.approx(1)
        assert all(f.contribution == pytest.approx(10 * f.weight * f.value) for f in risk.factors)
        assert all(0 <= f.value <= 1 and f.reason for f in risk.factors)


def test_what_is_as_bad_as_can_be_counts_in_full():
    graph = world(
        needs("A", "hub"),
        needs("hub", "A"),
        workflows=[workflow("w", "A")],
        components=[component("hub", errors=10**9, invocations=10**9)],
    )
    risk = next(
        r
        for r in analyze(graph, None, matches=match(graph, read_catalog("[]", origin="c"))).risks
        if r.component == "hub"
    )

    found = {f.name: f.value for f in risk.factors}
    assert found.pop("likelihood") > 0.999
    assert {n: found[n] for n in ("impact", "value", "redundancy", "exposure")} == dict.fromkeys(
        ("impact", "value", "redundancy", "exposure"), 1.0
    )


def factor(name: str, component_id: str, *, graph=SHOP, text: str | None = None) -> float | None:
    matches = match(graph, read_catalog(text, origin="c") if text is not None else None)
    risk = next(
        r for r in analyze(graph, None, matches=matches).risks if r.component == component_id
    )
    return next((f.value for f in risk.factors if f.name == name), None)


def test_exposure_is_left_out_without_a_catalogue_and_its_weight_shared_out():
    analysis = analyze(SHOP, SHOPPING)

    assert factor("exposure", "Payment") is None
    assert analysis.risk_note is not None
    weights = {f.name: f.weight for f in analysis.risks[0].factors}
    assert weights["impact"] / weights["likelihood"] == pytest.approx(
        WEIGHTS["impact"] / WEIGHTS["likelihood"]
    )
    assert sum(WEIGHTS.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "value"),
    [("[{name: Payment, owner: me}]", 0.0), ("[{name: Payment}]", 0.5), ("[{name: Other}]", 1.0)],
)
def test_a_shadow_agent_is_exposed_and_one_without_owner_half_so(text, value):
    assert factor("exposure", "Payment", text=text) == value


def test_without_runs_redundancy_counts_those_who_have_an_alternative():
    graph = world(
        needs("A", "B"),
        needs("C", "B"),
        needs("A", "D", calls=1),
        fallbacks=[fallback("A", "B", "D")],
    )

    assert factor("redundancy", "B", graph=graph) == 0.5
    assert factor("redundancy", "D", graph=graph) == 0.0
    assert factor("redundancy", "A", graph=graph) == 0.0


def test_the_document_keeps_agents_and_other_kinds_apart():
    document = analysis_document(analyze(SHOP, SHOPPING))

    assert document["spof_agents"] == ["Checkout", "Desk", "Payment"]
    assert document["spof_components"] == ["bank"]
    assert document["circular_dependencies"] == []
    assert set(document["risk_scores"]) == {"Checkout", "Payment", "Advice", "Desk"}
    assert set(document["component_risk_scores"]) == {"bank"}
    assert document["overall_risk"] == max(
        {**document["risk_scores"], **document["component_risk_scores"]}.values()
    )


def test_an_empty_graph_has_no_findings():
    document = analysis_document(analyze(Graph(), None))

    assert (document["spofs"], document["cycles"], document["risks"], document["overall_risk"]) == (
        [],
        [],
        [],
        0.0,
    )


def test_the_workflows_are_passed_over_once_for_all_components() -> None:
    class Counted(tuple[Workflow, ...]):  # noqa: SLOT001 - counts in its __dict__
        def __iter__(self) -> Iterator[Workflow]:
            self.iterated = getattr(self, "iterated", 0) + 1
            return super().__iter__()

    names = [f"agent {n}" for n in range(20)]
    graph = world(
        components=map(component, names), workflows=[workflow(f"w {name}", name) for name in names]
    )
    found = impacts(graph, None, seed=0)
    counted = Counted(graph.workflows)

    points = spofs(replace(graph, workflows=counted), found)

    assert all([w.workflow for w in p.workflows] == [f"w {p.component}"] for p in points)
    assert len(points) == 20
    assert counted.iterated == 1
