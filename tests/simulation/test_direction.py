"""Failure travels from callee to caller, and never the other way."""

from __future__ import annotations

from functools import partial

import pytest

from agentguard.discovery.kinds import DependencyType
from agentguard.simulation import engine
from agentguard.simulation.declared import DeclaredFacts
from agentguard.simulation.model import Method
from tests.simulation.worlds import Call, call, fallback, needs, record, workflow, world

SHOP = world(
    needs("CheckoutAgent", "PaymentAgent"),
    needs("PaymentAgent", "FraudAgent"),
    workflows=[workflow("shop", "CheckoutAgent")],
)
SHOPPING = record([("shop", call("CheckoutAgent", call("PaymentAgent", call("FraudAgent"))))] * 10)
PAIRS = (
    ("CheckoutAgent", "PaymentAgent"),
    ("PaymentAgent", "FraudAgent"),
    ("InvoiceAgent", "LedgerAgent"),
    ("Front", "Triage"),
    ("Triage", "Billing"),
    ("Billing", "Ledger"),
    ("A", "B"),
    ("B", "A"),
)
NOBODY_SURVIVES = dict.fromkeys(PAIRS, False)
simulate = partial(engine.simulate, facts=DeclaredFacts(survives=NOBODY_SURVIVES))
BOTH = pytest.mark.parametrize("method", list(Method))


def hit(graph, runs, *failed, method):
    return [c.id for c in simulate(graph, runs, failed, method=method).components]


@BOTH
def test_the_caller_of_what_failed_is_hit_and_not_what_it_calls(method):
    result = simulate(SHOP, SHOPPING, ["PaymentAgent"], method=method)

    assert [c.id for c in result.components] == ["CheckoutAgent"]
    assert [(w.id, w.runs_lost, w.runs_seen) for w in result.workflows] == [("shop", 10, 10)]


@BOTH
def test_failure_rises_through_several_callers_and_the_path_says_how(method):
    result = simulate(SHOP, SHOPPING, ["FraudAgent"], method=method)

    paths = {c.id: [(s.source, s.target) for s in c.path] for c in result.components}
    assert paths == {
        "PaymentAgent": [("PaymentAgent", "FraudAgent")],
        "CheckoutAgent": [("PaymentAgent", "FraudAgent"), ("CheckoutAgent", "PaymentAgent")],
    }
    assert all(s.evidence for c in result.components for s in c.path)
    assert [(s.source, s.target) for s in result.workflows[0].path][-1] == ("shop", "CheckoutAgent")


@BOTH
def test_a_failed_entry_hits_nobody_and_costs_every_run(method):
    result = simulate(SHOP, SHOPPING, ["CheckoutAgent"], method=method)

    assert result.components == ()
    assert result.workflows[0].runs_lost == 10


def paying(*below: Call) -> tuple[str, Call]:
    return "shop", call("CheckoutAgent", *below)


@BOTH
def test_a_fallback_edge_keeps_the_caller_up_and_its_callees_out_of_it(method):
    graph = world(
        needs("CheckoutAgent", "PaymentAgent", calls=10, errors=1),
        needs("CheckoutAgent", "InvoiceAgent", calls=1, source_runs=1),
        needs("PaymentAgent", "FraudAgent", calls=9, source_runs=9),
        needs("InvoiceAgent", "LedgerAgent"),
        fallbacks=[fallback("CheckoutAgent", "PaymentAgent", "InvoiceAgent")],
        workflows=[workflow("shop", "CheckoutAgent")],
    )
    rescued = paying(
        call("PaymentAgent", failed=True), call("InvoiceAgent", call("LedgerAgent"), rescues=True)
    )
    runs = record([rescued, *[paying(call("PaymentAgent", call("FraudAgent")))] * 9])

    assert hit(graph, runs, "PaymentAgent", method=method) == []
    assert hit(graph, runs, "FraudAgent", method=method) == ["PaymentAgent"]
    assert hit(graph, runs, "InvoiceAgent", "PaymentAgent", method=method) == ["CheckoutAgent"]
    assert set(hit(graph, runs, "PaymentAgent", "LedgerAgent", method=method)) == {
        "CheckoutAgent",
        "InvoiceAgent",
    }


@BOTH
@pytest.mark.parametrize("kind", [DependencyType.HANDOFF, DependencyType.MESSAGING])
def test_after_a_handoff_the_failure_goes_to_the_workflow_and_not_to_the_caller(method, kind):
    graph = world(
        needs("Front", "Triage"),
        needs("Triage", "Billing", kind),
        needs("Billing", "Ledger"),
        workflows=[workflow("desk", "Front")],
    )
    runs = record(
        [("desk", call("Front", call("Triage", call("Billing", call("Ledger"), type=kind))))] * 10
    )

    assert hit(graph, runs, "Billing", method=method) == []
    assert hit(graph, runs, "Ledger", method=method) == ["Billing"]
    result = simulate(graph, runs, ["Ledger"], method=method)
    assert [(w.id, w.runs_lost) for w in result.workflows] == [("desk", 10)]
    assert [(s.source, s.target) for s in result.workflows[0].path] == [
        ("Billing", "Ledger"),
        ("desk", "Billing"),
    ]


@BOTH
def test_a_cycle_ends(method):
    graph = world(needs("A", "B"), needs("B", "A", calls=10), workflows=[workflow("w", "A")])
    runs = record([("w", call("A", call("B", call("A"))))] * 10)

    assert hit(graph, runs, "B", method=method) == ["A"]


def test_calls_below_what_is_out_are_never_made():
    graph = world(needs("A", "B"), needs("B", "A", calls=10), workflows=[workflow("w", "A")])
    runs = record([("w", call("A", call("B", call("A"))))] * 10)

    assert hit(graph, runs, "A", method=Method.REPLAY) == []
    assert hit(graph, runs, "A", method=Method.STRUCTURAL) == ["B"]
