"""Risk rises with everything that it is made of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.analysis.analyze import analyze
from agentguard.analysis.impact import Impact, Impacts
from agentguard.analysis.likelihood import (
    RAREST,
    STRENGTH,
    Used,
    factor,
    likelihoods,
    used_components,
)
from agentguard.analysis.model import Centrality, Risk
from agentguard.analysis.risk import WEIGHTS, Basis, risks
from agentguard.catalog.matching import match
from agentguard.catalog.reading import read_catalog
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.simulation.engine import blast_radius
from agentguard.simulation.model import Method, WorkflowRuns
from agentguard.simulation.spares import Spared
from agentguard.simulation.stakes import Stake
from tests.simulation.worlds import call, component, needs, record, workflow, world

GRAPH = world(
    needs("A", "B"),
    needs("Z", "B"),
    needs("Z", "Y"),
    workflows=[workflow("shop", "A"), workflow("news", "Z")],
)
RUNS = 100
counts = st.integers(0, RUNS)
weights = st.sampled_from([0.2, 0.4, 1.0, 2.0])


def basis(
    *,
    lost: int = 20,
    elsewhere: int = 0,
    failed: int = 5,
    saved: int = 0,
    weight: float = 1.0,
    value: float | None = None,
    central: float = 0.1,
    owned: bool = True,
) -> Basis:
    """What the risk of B is made of; `lost` and `saved` in shop, `elsewhere` in news."""
    found = {
        c.id: Impact(
            c.id,
            blast_radius(runs_lost=0, runs_seen=200, components_hit=0, components=3),
            frozenset(),
            {},
        )
        for c in GRAPH.components
    }
    found["B"] = replace(found["B"], runs_lost={"shop": float(lost), "news": float(elsewhere)})
    used = {c.id: Used(RUNS, 3) for c in GRAPH.components} | {"B": Used(RUNS, failed)}
    owner = "owner: me" if owned else "criticality: low"
    catalog = read_catalog(f"agents:\n  - {{name: B, {owner}}}", origin="c")
    of_kind = likelihoods(GRAPH, used)
    return Basis(
        Impacts(
            Method.REPLAY, {"shop": WorkflowRuns(RUNS, 0), "news": WorkflowRuns(RUNS, 0)}, found
        ),
        {"shop": Stake(weight, "declared", value), "news": Stake(0.2, "declared", None)},
        of_kind,
        tuple(Centrality(c.id, central if c.id == "B" else 0.5, 0.25) for c in GRAPH.components),
        Spared({"B": {"shop": float(min(saved, lost))}}, frozenset()),
        match(GRAPH, catalog),
    )


def of_b(**more) -> Risk:
    return next(r for r in risks(GRAPH, basis(**more)) if r.component == "B")


@settings(max_examples=60)
@given(lost=counts, more=counts, weight=weights)
def test_risk_never_falls_when_the_worst_workflow_loses_more(lost, more, weight):
    assert of_b(lost=lost, weight=weight).score <= of_b(lost=max(lost, more), weight=weight).score


@settings(max_examples=60)
@given(elsewhere=counts, more=counts)
def test_risk_never_falls_when_another_workflow_loses_more(elsewhere, more):
    assert of_b(elsewhere=elsewhere).score <= of_b(elsewhere=max(elsewhere, more)).score


@settings(max_examples=60)
@given(failed=counts, more=counts)
def test_risk_never_falls_when_it_fails_more_often(failed, more):
    assert of_b(failed=failed).score <= of_b(failed=max(failed, more)).score


@settings(max_examples=60)
@given(saved=counts, more=counts)
def test_risk_never_falls_when_a_spare_would_save_more(saved, more):
    assert of_b(lost=RUNS, saved=saved).score <= of_b(lost=RUNS, saved=max(saved, more)).score


@settings(max_examples=30)
@given(one=weights, other=weights)
def test_risk_never_falls_when_more_is_at_stake(one, other):
    assert of_b(weight=min(one, other)).score <= of_b(weight=max(one, other)).score


@settings(max_examples=30)
@given(one=st.floats(0, 0.5), other=st.floats(0, 0.5))
def test_risk_never_falls_with_centrality(one, other):
    assert of_b(central=min(one, other)).score <= of_b(central=max(one, other)).score


def test_risk_is_higher_without_an_owner():
    assert of_b(owned=False).score > of_b(owned=True).score


@given(one=st.floats(0, 1), other=st.floats(0, 1))
def test_the_scale_of_likelihood_rises_from_0_to_1(one, other):
    assert 0 <= factor(min(one, other)) <= factor(max(one, other)) <= 1


def test_each_factor_of_ten_counts_alike():
    assert [factor(RAREST * 10**n) for n in range(4)] == pytest.approx([0, 1 / 3, 2 / 3, 1])


@pytest.mark.parametrize("runs", [1, 3, 30])
def test_what_was_hardly_seen_gets_the_rate_of_its_kind(runs):
    graph = world(components=[component(name) for name in "ABC"])
    used = {"A": Used(1000, 50), "B": Used(1000, 50), "C": Used(runs, 0)}
    found = likelihoods(graph, used)["C"]

    assert found.mean == pytest.approx(STRENGTH * found.kind_rate / (runs + STRENGTH))
    assert found.low < found.mean < found.high


def test_uncertainty_is_shown_beside_the_score_and_is_no_part_of_it():
    rare, common = (
        likelihoods(
            world(components=[component(name) for name in "AB"]),
            {"A": Used(10_000, 500), "B": Used(n, n // 20)},
        )["B"]
        for n in (20, 20_000)
    )

    assert rare.mean == pytest.approx(common.mean, rel=0.01)
    assert rare.high - rare.low > 10 * (common.high - common.low)
    risk = of_b()
    assert risk.low < risk.score < risk.high
    assert risk.score == pytest.approx(sum(f.contribution for f in risk.factors))


def test_failures_are_counted_per_run_and_only_if_final():
    runs = record(
        [("shop", call("A", call("B", failed=True), call("B", failed=True)))] * 2
        + [("shop", call("A", call("B", failed=True), call("B", rescues=True)))] * 3
        + [("shop", call("A"))] * 5
    )

    assert used_components(GRAPH, runs)["B"] == Used(5, 2)


def test_value_counts_where_it_is_declared():
    cheap = next(f for f in of_b(value=None).factors if f.name == "value")
    dear = next(f for f in of_b(value=5000.0).factors if f.name == "value")

    assert cheap.value == pytest.approx(20 / 200)
    assert dear.value == pytest.approx(20 / 100)


def test_the_overall_risk_is_the_highest_of_all_kinds():
    graph = world(
        needs("A", "db"),
        workflows=[workflow("shop", "A")],
        components=[component("db", ComponentKind.DATASTORE, errors=9)],
    )
    failing = call("A", call("db", failed=True), failed=True)
    analysis = analyze(
        graph, record([("shop", call("A", call("db")))] * 9 + [("shop", failing)] * 9)
    )

    assert analysis.overall_risk == max(r.score for r in analysis.risks)
    assert sum(WEIGHTS.values()) == pytest.approx(1)


def impact_of_b(graph: Graph, runs: Runs | None) -> str:
    risk = next(r for r in analyze(graph, runs).risks if r.component == "B")
    return next(f.reason for f in risk.factors if f.name == "impact")


def test_without_recorded_runs_a_workflow_fails_and_no_share_is_made_up():
    bare = replace(GRAPH, workflows=(workflow("shop", "A", runs=0), workflow("news", "Z", runs=0)))

    assert impact_of_b(bare, None) == (
        "In its outage shop fails; no run of it was recorded. 1 more workflow fails."
    )


def test_almost_all_runs_are_not_all_of_them():
    broken = ("shop", call("A", call("B", failed=True), failed=True))
    uses = ("shop", call("A", call("B")))
    runs = record([*[broken] * 9, *[uses] * 3000, ("shop", call("A"))])

    assert "loses 99." in impact_of_b(GRAPH, runs)


def test_runs_of_workflows_that_the_graph_does_not_have_are_not_counted():
    broken = call("A", call("B", failed=True), failed=True)
    runs = [("shop", call("A", call("B")))] * 20 + [("shop", broken)] * 5
    other = [("gone", call("A", call("B")))] * 20

    found = analyze(GRAPH, record(runs + other))

    assert {w.workflow for s in found.spofs for w in s.workflows} == {"shop", "news"}
    assert "gone" not in repr(found)
