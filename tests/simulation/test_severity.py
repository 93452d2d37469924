"""Severity is the worst workflow's, weighted by what is at stake."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.catalog.model import Catalog
from agentguard.catalog.reading import read_catalog
from agentguard.simulation.engine import simulate
from agentguard.simulation.model import DEFAULT_THRESHOLDS
from agentguard.simulation.severities import Severity
from agentguard.simulation.severity import Loss, judge, loss_in_words
from agentguard.simulation.stakes import Stake
from tests.simulation.worlds import call, needs, record, workflow, world

SHOP = world(
    needs("Checkout", "Payment"),
    needs("Chat", "Answers"),
    workflows=[
        workflow("checkout", "Checkout", runs=10),
        workflow("chat", "Chat", runs=990),
    ],
)
RUNS = record(
    [("checkout", call("Checkout", call("Payment")))] * 10
    + [("chat", call("Chat", call("Answers")))] * 990
)

ORDER = [Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL]
shares = st.floats(0, 1, allow_nan=False)
weights = st.sampled_from([0.2, 0.4, 1.0, 2.0])


def declared(text: str) -> Catalog:
    return read_catalog(text, origin="catalog.yaml")


def test_a_critical_workflow_that_loses_every_run_is_critical_beside_any_traffic():
    catalog = declared("workflows:\n  - {name: checkout, criticality: critical}\n")
    result = simulate(SHOP, RUNS, ["Checkout"], catalog=catalog)

    assert result.blast_radius.runs_share == 0.01
    assert result.severity is Severity.CRITICAL
    assert result.severity_reason == "checkout loses 100% of its runs (declared critical)"
    assert result.worst_workflow == "checkout"


def test_what_nobody_declared_counts_in_full():
    result = simulate(SHOP, RUNS, ["Checkout"])

    assert result.severity is Severity.CRITICAL
    assert result.severity_reason.endswith("(criticality not declared)")


@pytest.mark.parametrize(
    ("criticality", "severity"),
    [("critical", "CRITICAL"), ("high", "CRITICAL"), ("medium", "HIGH"), ("low", "MEDIUM")],
)
def test_a_lost_workflow_is_as_severe_as_it_was_declared(criticality, severity):
    catalog = declared(f"workflows:\n  - {{name: chat, criticality: {criticality}}}\n")

    assert simulate(SHOP, RUNS, ["Chat"], catalog=catalog).severity == severity


def test_the_criticality_of_the_entry_counts_where_the_workflow_has_none():
    catalog = declared("agents:\n  - {name: Chat, criticality: low}\n")

    assert simulate(SHOP, RUNS, ["Chat"], catalog=catalog).severity is Severity.MEDIUM


def test_value_counts_where_no_criticality_is_declared():
    catalog = declared(
        "currency: EUR\nworkflows:\n  - {name: checkout, value_per_run: 50}\n"
        "  - {name: chat, value_per_run: 0.01}\n",
    )
    chat = simulate(SHOP, RUNS, ["Chat"], catalog=catalog)

    assert simulate(SHOP, RUNS, ["Checkout"], catalog=catalog).severity is Severity.CRITICAL
    assert chat.severity is Severity.MEDIUM
    assert "2% of the value of the most valuable workflow" in chat.severity_reason


def test_a_workflow_without_recorded_runs_that_fails_is_lost():
    bare = replace(SHOP, workflows=tuple(replace(w, runs=0) for w in SHOP.workflows))
    result = simulate(bare, None, ["Payment"])

    assert result.severity is Severity.CRITICAL
    assert result.severity_reason.startswith("checkout fails; no run of it was recorded")


def test_no_loss_is_low():
    quiet = world(needs("A", "B"), needs("C", "D"), workflows=[workflow("w", "C")])
    result = simulate(quiet, None, ["B"])

    assert (result.severity, result.worst_workflow) == (Severity.LOW, None)


@given(
    losses=st.lists(st.tuples(shares, weights), min_size=1, max_size=5),
    more=shares,
    place=st.integers(0, 4),
)
def test_severity_never_falls_when_a_workflow_loses_more(losses, more, place):
    place %= len(losses)
    worse = [
        (max(share, more), weight) if i == place else (share, weight)
        for i, (share, weight) in enumerate(losses)
    ]

    assert ORDER.index(severity(losses)) <= ORDER.index(severity(worse))


@given(losses=st.lists(st.tuples(shares, weights), min_size=1, max_size=5), quiet=shares)
def test_workflows_that_lose_less_never_soften_it(losses, quiet):
    least = min(share * weight for share, weight in losses)

    assert severity(losses) == severity([*losses, (min(quiet, least), 0.2)])


def severity(losses: list[tuple[float, float]]) -> Severity:
    found = judge(
        [Loss(str(i), str(i), share, recorded=True) for i, (share, _) in enumerate(losses)],
        {str(i): Stake(weight, "") for i, (_, weight) in enumerate(losses)},
        DEFAULT_THRESHOLDS,
    )
    return Severity.LOW if found is None else found.severity


@pytest.mark.parametrize(
    ("share", "said"), [(1.0, "100%"), (0.996, "99.6%"), (0.92, "92%"), (0.004, "0.4%")]
)
def test_a_share_is_never_rounded_to_all_or_to_none(share, said):
    assert loss_in_words(Loss("w", "w", share, recorded=True)) == f"w loses {said} of its runs"
