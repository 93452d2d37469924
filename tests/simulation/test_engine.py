"""From outcome to verdict: score, severity, money, and what is said where nothing is known."""

from __future__ import annotations

import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.catalog.reading import read_catalog
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.errors import UnknownComponentError
from agentguard.graph.evidence_links import TraceLinks
from agentguard.graph.runs import no_runs
from agentguard.graph.significance import wilson
from agentguard.simulation import engine
from agentguard.simulation.declared import DeclaredFacts
from agentguard.simulation.documents import simulation_document
from agentguard.simulation.engine import blast_radius
from agentguard.simulation.errors import EmptyScenarioError, NothingToReplayError
from agentguard.simulation.model import Method, Thresholds
from agentguard.simulation.severities import Severity
from tests.simulation.worlds import call, component, needs, record, workflow, world

GRAPH = world(
    needs("A", "B"),
    needs("B", "gpt"),
    needs("Z", "Y"),
    workflows=[workflow("shop", "A"), workflow("news", "Z")],
    components=[component("gpt", ComponentKind.MODEL)],
)
RUNS = record(
    [("shop", call("A", call("B", call("gpt"))))] * 4
    + [("shop", call("A"))] * 4
    + [("news", call("Z", call("Y")))] * 8
)
STOPPING = {("A", "B"): False, ("B", "gpt"): False, ("Z", "Y"): False}
"""No caller survives: the runs lost are whole numbers."""
simulate = partial(engine.simulate, facts=DeclaredFacts(survives=STOPPING))
VALUES = (
    "currency: EUR\nworkflows: [{name: shop, value_per_run: 12.5}]\nagents: [{name: Z,"
    " value_per_run: 2}]"
)


def catalog(text: str = VALUES):
    return read_catalog(text, origin="catalog.yaml")


def test_replay_is_the_default_where_there_are_runs_with_the_structural_worst_case_beside_it():
    result = simulate(GRAPH, RUNS, ["B"])

    assert result.method is Method.REPLAY
    assert [(w.id, w.runs_lost) for w in result.workflows] == [("shop", 4)]
    assert (result.structural_components, result.structural_workflows) == (("A",), ("shop",))
    assert simulate(GRAPH, no_runs(), ["B"]).method is Method.STRUCTURAL
    assert simulate(GRAPH, None, ["B"]).method is Method.STRUCTURAL


def test_the_score_is_six_tenths_runs_and_four_tenths_components():
    result = simulate(GRAPH, RUNS, ["gpt"])

    radius = result.blast_radius
    assert (radius.runs_lost, radius.runs_seen, radius.components_hit, radius.components) == (
        4,
        16,
        2,
        4,
    )
    assert radius.score == pytest.approx(10 * (0.6 * 4 / 16 + 0.4 * 2 / 4))


@given(
    lost=st.integers(0, 50),
    more=st.integers(0, 50),
    hit=st.integers(0, 50),
    others=st.integers(0, 50),
)
def test_the_score_stays_between_0_and_10(lost, more, hit, others):
    found = blast_radius(
        runs_lost=lost, runs_seen=lost + more, components_hit=hit, components=hit + others
    )

    assert 0 <= found.score <= 10


def test_without_workflows_the_score_and_the_severity_rest_on_components_and_say_so():
    bare = world(needs("A", "B"), needs("C", "B"))
    result = simulate(bare, None, ["B"])

    assert result.blast_radius.runs_share is None
    assert result.blast_radius.score == 10
    assert (result.severity, result.severity_reason) == (
        Severity.CRITICAL,
        "no workflow is known; 2 of 2 components hit",
    )


@pytest.mark.parametrize(
    ("share", "severity"),
    [
        (1, "CRITICAL"),
        (0.5, "CRITICAL"),
        (0.49, "HIGH"),
        (0.25, "HIGH"),
        (0.24, "MEDIUM"),
        (0.05, "MEDIUM"),
        (0.04, "LOW"),
        (0, "LOW"),
    ],
)
def test_severity_follows_the_share_of_runs_lost(share, severity):
    assert Thresholds().severity(share) == severity


def test_thresholds_are_a_value():
    assert simulate(GRAPH, RUNS, ["B"]).severity is Severity.CRITICAL
    assert (
        simulate(GRAPH, RUNS, ["B"], thresholds=Thresholds(critical=0.9, high=0.4)).severity
        is Severity.HIGH
    )


def test_money_comes_from_the_workflows_value_per_run():
    result = simulate(GRAPH, RUNS, ["B"], catalog=catalog())

    assert (result.money.amount, result.money.reason, result.money.currency) == (50.0, None, "EUR")
    assert result.money.per_hour == pytest.approx(50.0)
    assert result.workflows[0].value_lost == 50.0


def test_money_comes_from_the_entrys_value_where_the_workflow_has_none():
    assert simulate(GRAPH, RUNS, ["Y"], catalog=catalog()).money.amount == 16.0


def test_without_a_catalog_there_is_no_money_and_a_reason():
    money = simulate(GRAPH, RUNS, ["B"]).money

    assert (money.amount, money.per_hour) == (None, None)
    assert money.reason == "No catalog is configured, so no run has a value."


def test_runs_without_a_value_are_left_out_and_named():
    money = simulate(
        GRAPH, RUNS, ["Y"], catalog=catalog("workflows: [{name: shop, value_per_run: 12.5}]")
    ).money
    both = simulate(
        GRAPH, RUNS, ["Y", "B"], catalog=catalog("workflows: [{name: shop, value_per_run: 12.5}]")
    ).money

    assert money.amount is None
    assert both.amount == 50.0
    assert both.reason is not None
    assert "news" in both.reason


@pytest.mark.parametrize(("seconds", "known"), [(599, False), (600, True)])
def test_a_rate_per_hour_needs_ten_minutes(seconds, known):
    graph = world(needs("A", "B"), workflows=[workflow("shop", "A", seconds=seconds)])
    result = simulate(graph, RUNS, ["B"], catalog=catalog())

    assert (result.money.per_hour is not None) is known
    assert (result.money.per_hour_reason is None) is known
    shown = simulation_document(result)["impacted_workflows"][0]
    assert (shown["runs_lost_per_hour"] is not None) is known
    assert (shown["runs_lost_per_hour_reason"] is None) is known


def test_nothing_to_fail_unknown_components_and_nothing_to_replay_are_errors():
    with pytest.raises(EmptyScenarioError):
        simulate(GRAPH, RUNS, [])
    with pytest.raises(UnknownComponentError):
        simulate(GRAPH, RUNS, ["nobody"])
    with pytest.raises(NothingToReplayError, match=r"Use the structural method\.$"):
        simulate(GRAPH, None, ["B"], method=Method.REPLAY)


def test_the_document_has_what_clients_rely_on():
    document = simulation_document(
        simulate(GRAPH, RUNS, ["gpt"], graph_version="v1", seed=7),
        links=TraceLinks("http://t/{trace_id}"),
    )

    assert document["failed_agent"] == "gpt"
    assert document["impacted_agents"] == ["B", "A"]
    assert document["impacted_count"] == 2
    assert document["blast_radius_score"] == 3.5
    assert [w["id"] for w in document["impacted_workflows"]] == ["shop"]
    estimate = document["impact_estimate"]
    assert {
        "severity",
        "revenue_risk",
        "workflow_count",
        "estimated_recovery_time",
    } <= estimate.keys()
    assert estimate["estimated_recovery_time"] is None
    assert estimate["estimated_recovery_time_reason"]
    assert (document["inputs"]["seed"], document["inputs"]["graph_version"]) == (7, "v1")
    assert document["impacted_components"][0]["path"][0]["evidence"][0]["url"].startswith(
        "http://t/"
    )
    assert json.loads(json.dumps(document)) == document


def test_impacted_agents_are_agents():
    graph = world(
        needs("A", "tool"), needs("tool", "db"), components=[component("tool", ComponentKind.TOOL)]
    )
    document = simulation_document(simulate(graph, None, ["db"]))

    assert document["impacted_agents"] == ["A"]
    assert [c["id"] for c in document["impacted_components"]] == ["tool", "A"]


@given(hits=st.integers(0, 200), more=st.integers(0, 200))
def test_a_wilson_interval_holds_the_share(hits, more):
    low, high = wilson(hits, hits + more)

    assert 0 <= low <= (hits / (hits + more) if hits + more else 0.5) <= high <= 1


def test_a_wilson_interval_as_published():
    """Newcombe 1998, table I, 81 of 263 and 15 of 148 without continuity correction."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
