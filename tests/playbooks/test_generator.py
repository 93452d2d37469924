"""Playbooks say what was observed, and nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass, replace

import pytest
from hypothesis import given, settings

from agentguard.catalog.matching import match
from agentguard.catalog.reading import read_catalog
from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.evidence_links import TraceLinks
from agentguard.graph.model import Evidence, EvidenceReason
from agentguard.playbooks.documents import playbook_document
from agentguard.playbooks.facts import MAX_EVIDENCE, MAX_LISTED
from agentguard.playbooks.generator import generate
from agentguard.playbooks.model import Phase
from agentguard.simulation.engine import simulate
from tests.simulation.strategies import recorded_worlds, scenarios, seeds
from tests.simulation.worlds import call, component, fallback, needs, record, workflow, world

FAILED = Evidence("failed-trace", "f", 5, EvidenceReason.FAILED)
SHOP = world(
    replace(
        needs("Checkout", "Payment", calls=37, errors=6, absorbed=4, propagated=2, retries=3),
        evidence=(FAILED,),
    ),
    needs("Checkout", "Invoice", calls=3, source_runs=3, errors=1),
    needs("Payment", "Fraud", calls=31, errors=2),
    needs("Fraud", "gpt", DependencyType.CALLS_MODEL, calls=29),
    needs("Desk", "Payment", calls=11, source_runs=9),
    fallbacks=[fallback("Checkout", "Payment", "Invoice", count=3, rescued=2)],
    workflows=[workflow("shop", "Checkout", runs=10, failed=2), workflow("desk", "Desk", runs=10)],
    components=[
        component("Payment", invocations=48, errors=7),
        component("gpt", ComponentKind.MODEL, invocations=29),
    ],
)
RUNS = record(
    [("shop", call("Checkout", call("Payment", call("Fraud", call("gpt")))))] * 8
    + [("shop", call("Checkout", failed=True))] * 2
    + [("desk", call("Desk", call("Payment", call("Fraud", call("gpt")))))] * 9
    + [("desk", call("Desk"))]
)
OWNERS = (
    "agents: [{name: Payment, owner: bank-team}, {name: Checkout, owner: shop-team}]\nworkflows:"
    " [{name: desk, owner: desk-team}]"
)


def playbook(*failed: str, graph=SHOP, runs=RUNS, text: str | None = None):
    matches = match(graph, read_catalog(text, origin="c")) if text else None
    return generate(graph, simulate(graph, runs, failed, graph_version="v1"), matches=matches)


def steps(found, phase: Phase):
    return [s for s in found.steps if s.phase is phase]


def words(found) -> str:
    return "\n".join(
        line for s in found.steps for line in (s.title, *s.actions, *s.verifications, *s.rollback)
    )


def test_three_phases_in_order_every_step_whole():
    found = playbook("Payment")

    phases = [s.phase for s in found.steps]
    assert phases == sorted(phases, key=list(Phase).index)
    assert set(phases) == set(Phase)
    assert len({s.id for s in found.steps}) == len(found.steps)
    for s in found.steps:
        assert s.title
        assert s.actions
        assert s.verifications
        assert s.rollback
        assert s.evidence


def test_the_observed_fallback_is_the_backup_with_its_counts():
    switch, _ = steps(playbook("Payment"), Phase.ACTIVATE_BACKUPS)

    assert switch.title == "Switch Checkout from Payment to Invoice"
    assert "it succeeded 2 of 3 times when Payment had failed" in switch.actions[0]
    assert switch.verifications == (
        "Errors on Checkout → Invoice stay at the observed 1 of 3 or below.",
    )
    assert [e.trace_id for e in switch.evidence] == ["Checkout-Payment-Invoice"]


def test_a_caller_without_an_observed_fallback_is_told_so():
    _, without = steps(playbook("Payment"), Phase.ACTIVATE_BACKUPS)

    assert "no working fallback was observed" in without.title
    assert without.actions == (
        (
            "Desk: Payment never failed for it in the window, so nothing shows that it can do"
            " without. Keep it on hold."
        ),
    )


@pytest.mark.parametrize(
    ("absorbed", "says"),
    [
        (0, "A: it survived none of 3 failures of B. Keep it on hold."),
        (2, "A: it survived 2 of 3 failures of B, retries included."),
    ],
)
def test_how_often_a_caller_survived_alone_is_said(absorbed, says):
    graph = world(needs("A", "B", errors=3, absorbed=absorbed, propagated=3 - absorbed))

    (found,) = steps(playbook("B", graph=graph, runs=None), Phase.ACTIVATE_BACKUPS)
    assert found.actions[0].startswith(says)


def test_a_fallback_that_the_outage_takes_along_is_no_backup():
    graph = world(
        needs("A", "B"),
        needs("B", "Host"),
        needs("C", "Host"),
        fallbacks=[fallback("A", "Host", "C")],
    )
    (found,) = steps(
        playbook("Host", graph=replace_needs(graph), runs=None), Phase.ACTIVATE_BACKUPS
    )

    assert "do not count on C" in "\n".join(found.actions)


def replace_needs(graph):
    """A depends on the host directly too."""
    return replace(graph, dependencies=(*graph.dependencies, needs("A", "Host")))


def test_failed_spans_come_first_as_the_error_to_compare_with():
    confirm = playbook("Payment").steps[0]

    assert confirm.evidence == (FAILED,)
    assert confirm.actions[1].startswith("Compare the error with the failed span cited")


def test_where_nothing_ever_failed_there_is_no_error_to_compare_with():
    assert "No failed span of gpt was kept" in playbook("gpt").steps[0].actions[1]


def test_retries_are_switched_off_where_there_were_any():
    hold = playbook("Payment").steps[1]

    assert "3 of them were retries" in hold.actions[0]
    assert "retries" not in hold.actions[1]


def test_workflows_are_told_what_they_lose():
    tell = playbook("Payment").steps[2]

    assert any(
        line.startswith("desk: 9 of 10 recorded runs would have been lost (90.0%")
        for line in tell.actions
    )


def test_calls_come_back_from_the_inside_out():
    (let_in,) = (
        s for s in steps(playbook("gpt"), Phase.RECOVER) if s.title.startswith("Let the calls")
    )

    edges = [line.split(" through")[0].removeprefix("Let ") for line in let_in.actions]
    assert edges[:2] == ["Fraud → gpt", "Payment → Fraud"]
    assert (
        "Errors on Payment → Fraud are back to the observed 2 of 31 or below."
        in let_in.verifications
    )


def test_the_failed_components_own_dependencies_are_looked_at_first():
    restore, *_ = steps(playbook("Payment"), Phase.RECOVER)

    assert restore.actions[0] == "Check Fraud first: Payment depends on it (2 of 31 calls failed)."
    assert restore.verifications == (
        "Payment fails no more often than the observed 7 of 48 invocations.",
    )


def test_owners_come_from_the_catalogue_and_from_nowhere_else():
    found = {s.id: s.owner for s in playbook("Payment", text=OWNERS).steps}

    assert found["contain-1"] == "bank-team"
    assert found["contain-2"] == "shop-team"
    assert found["contain-3"] == "desk-team"
    assert {s.owner for s in playbook("Payment").steps} == {None}


def test_other_models_are_named_as_unproven():
    more = (
        component("claude", ComponentKind.MODEL, invocations=20, errors=1),
        component("unused", ComponentKind.MODEL, invocations=0),
    )
    graph = replace(SHOP, components=(*SHOP.components, *more))

    text = words(playbook("gpt", graph=graph))
    assert "none of them seen standing in for it: claude (1 of 20 failed)." in text
    assert "unused" not in text


def test_an_entry_without_callers_is_held_back():
    text = words(playbook("Checkout"))

    assert "shop starts in Checkout: hold its runs back" in text


def test_names_that_two_components_share_come_with_their_ids():
    graph = replace(
        SHOP,
        components=tuple(
            replace(c, name="Twin") if c.id in ("Payment", "Fraud") else c for c in SHOP.components
        ),
    )

    assert playbook("Payment", graph=graph).situation.title == "Outage of Twin (Payment)"


def test_a_callee_of_hundreds_gives_a_readable_step_that_counts_the_rest():
    graph = world(*(needs(f"c{n:03}", "hub", calls=300 - n) for n in range(200)))
    hold = playbook("hub", graph=graph, runs=None).steps[1]

    assert len(hold.actions) == MAX_LISTED + 1
    rest = sum(300 - n for n in range(MAX_LISTED, 200))
    assert (
        f"{200 - MAX_LISTED} further dependencies with fewer calls ({rest} together)"
        in hold.actions[-1]
    )
    assert len(hold.evidence) == MAX_EVIDENCE


@pytest.mark.parametrize(
    "failed", [["Payment"], ["gpt"], ["Checkout"], ["Payment", "Invoice"], ["Desk"]]
)
def test_every_number_was_counted(failed):
    result = simulate(SHOP, RUNS, failed)
    shares = [share for w in result.workflows for share in (w.share, *bounds(w))]
    rates = [c.errors / c.invocations for c in SHOP.components if c.invocations]
    allowed = (
        counted(SHOP)
        | counted(result)
        | {"95"}
        | {number for r in [*shares, *rates] for number in numbers(f"{r:.1%}")}
    )
    text = words(playbook(*failed)) + playbook(*failed).situation.summary

    assert numbers(text) - {str(len(s.evidence)) for s in playbook(*failed).steps} <= allowed


def bounds(w) -> list[float]:
    return [] if w.interval is None else [w.interval.low, w.interval.high]


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:\.\d+)?", text))


def counted(value) -> set[str]:
    """Every integer in a value, however deep."""
    if isinstance(value, int):
        return {str(value)}
    if isinstance(value, tuple):
        return set().union(*map(counted, value))
    if is_dataclass(value):
        return set().union(*(counted(getattr(value, f.name)) for f in fields(value)))
    return set()


@settings(max_examples=40)
@given(made=recorded_worlds(), failed=scenarios, seed=seeds)
def test_components_and_evidence_all_exist_and_the_same_facts_give_the_same_playbook(
    made, failed, seed
):
    graph, runs = made
    result = simulate(graph, runs, sorted(failed), seed=seed)
    found = generate(graph, result)

    ids = {c.id for c in graph.components}
    recorded = {(c["trace_id"], c["span_id"]) for c in runs.calls.to_pylist()}
    known = {
        (e.trace_id, e.span_id)
        for part in (graph.components, graph.dependencies, graph.fallbacks, graph.workflows)
        for x in part
        for e in x.evidence
    }
    for s in found.steps:
        assert set(s.components) <= ids
        assert {(e.trace_id, e.span_id) for e in s.evidence} <= recorded | known
    assert generate(graph, result) == found


def test_the_document_has_what_clients_rely_on():
    document = playbook_document(playbook("Payment"), links=TraceLinks("http://t/{trace_id}"))

    assert {"incident", "estimated_recovery_time", "steps"} <= document.keys()
    assert document["estimated_recovery_time"] is None
    assert document["estimated_recovery_time_reason"]
    assert document["incident"]["graph_version"] == "v1"
    assert all(
        {"id", "title", "timeframe", "actions", "verifications"} <= step.keys()
        for step in document["steps"]
    )
    assert {step["timeframe"] for step in document["steps"]} == {"0-5 min", "5-15 min", "15-30 min"}
    assert document["steps"][0]["evidence"][0]["url"] == "http://t/failed-trace"
    assert json.loads(json.dumps(document)) == document
