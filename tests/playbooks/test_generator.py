"""Playbooks say what was observed, and nothing else.

The sentences themselves are in the snapshot: `pytest --snapshot-update` rewrites it.
"""

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
from agentguard.simulation.answer import answer
from agentguard.simulation.engine import simulate
from agentguard.simulation.naming import names_of
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
HOSTED = world(
    needs("A", "B"),
    needs("A", "Host"),
    needs("B", "Host", errors=3, propagated=3),
    needs("C", "Host"),
    needs("D", "Host", calls=1, errors=1, absorbed=1, retries=1),
    fallbacks=[fallback("A", "Host", "C")],
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


def written(found) -> str:
    """The whole text of a playbook, one line for each sentence."""
    lines = [found.situation.title, found.situation.summary]
    for s in found.steps:
        lines += ["", f"{s.id}: {s.title}"]
        lines += [f"  do      {line}" for line in s.actions]
        lines += [f"  verify  {line}" for line in s.verifications]
        lines += [f"  undo    {line}" for line in s.rollback]
    return "\n".join(lines)


@pytest.mark.parametrize("failed", ["Payment", "gpt", "Checkout", "Host", "Invoice"])
def test_the_text_of_a_playbook(failed, snapshot):
    graph, runs = (HOSTED, None) if failed == "Host" else (SHOP, RUNS)

    assert written(playbook(failed, graph=graph, runs=runs)) == snapshot


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
    assert numbers(switch.actions[0]) == {"2", "3"}
    assert numbers(*switch.verifications) == {"1", "3"}
    assert [e.trace_id for e in switch.evidence] == ["Checkout-Payment-Invoice"]


def test_a_caller_without_an_observed_fallback_gets_a_step_of_its_own():
    _, without = steps(playbook("Payment"), Phase.ACTIVATE_BACKUPS)

    assert "no working fallback was observed" in without.title
    (action,) = without.actions
    assert action.startswith("Desk: Payment never failed")


@pytest.mark.parametrize(("absorbed", "counts"), [(0, {"3"}), (2, {"2", "3"})])
def test_how_often_a_caller_survived_alone_is_counted(absorbed, counts):
    graph = world(needs("A", "B", errors=3, absorbed=absorbed, propagated=3 - absorbed))

    (found,) = steps(playbook("B", graph=graph, runs=None), Phase.ACTIVATE_BACKUPS)
    assert numbers(found.actions[0]) == counts


def test_a_fallback_that_the_outage_takes_down_is_no_backup():
    (found,) = steps(playbook("Host", graph=HOSTED, runs=None), Phase.ACTIVATE_BACKUPS)

    assert any("do not fall back from Host to C" in action for action in found.actions)


@pytest.mark.parametrize(
    ("providers", "says"),
    [(("openai",), "provider of gpt: openai"), ((), "names no provider")],
)
def test_a_model_is_restored_by_its_provider_and_never_restarted(providers, says):
    components = (replace(c, providers=providers) if c.id == "gpt" else c for c in SHOP.components)
    found = playbook("gpt", graph=replace(SHOP, components=tuple(components)))

    assert "Restart" not in words(found)
    assert says in words(found)


def test_failed_spans_come_first_as_the_error_to_compare_with():
    confirm = playbook("Payment").steps[0]

    assert confirm.evidence == (FAILED,)
    assert "the failed span cited" in confirm.actions[1]


def test_where_nothing_ever_failed_there_is_no_error_to_compare_with():
    assert "no failed span of gpt" in playbook("gpt").steps[0].actions[1]


def test_retries_are_disabled_where_there_were_any():
    pause = playbook("Payment").steps[1]

    assert "3 of them were retries" in pause.actions[0]
    assert "retries" not in pause.actions[1]


def test_users_are_notified_of_what_their_workflows_lose():
    notify = playbook("Payment").steps[2]

    lost = {w.name: w.runs_lost for w in simulate(SHOP, RUNS, ["Payment"]).workflows}["desk"]
    said = f"desk loses {round(lost, 1):.10g} of 10 recorded runs ({lost / 10:.1%}"
    assert 2 < lost <= 9
    assert any(said in line for line in notify.actions)


def test_traffic_is_restored_callees_before_callers():
    _, resume, _ = steps(playbook("gpt"), Phase.RECOVER)

    assert [line.split(" with")[0] for line in resume.actions[:2]] == [
        "Resume Fraud → gpt",
        "Resume Payment → Fraud",
    ]
    assert any("Payment → Fraud" in v and {"2", "31"} == numbers(v) for v in resume.verifications)


def test_the_failed_components_own_dependencies_are_checked_first():
    restore, *_ = steps(playbook("Payment"), Phase.RECOVER)

    assert "Fraud" in restore.actions[0]
    assert numbers(restore.actions[0]) == {"2", "31"}
    assert numbers(*restore.verifications) == {"7", "48"}


def test_owners_come_from_the_catalog_and_from_nowhere_else():
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
    assert "none of them observed as a fallback for gpt: claude (1 of 20 failed)." in text
    assert "unused" not in text


def test_the_runs_of_an_entry_without_callers_are_paused():
    assert "shop starts in Checkout: pause or queue its runs" in words(playbook("Checkout"))


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
        f"{200 - MAX_LISTED} more dependencies with fewer calls ({rest} in total)"
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
        | numbers(answer(result, names_of(SHOP)).sentence)
    )
    text = words(playbook(*failed)) + playbook(*failed).situation.summary

    assert numbers(text) - {str(len(s.evidence)) for s in playbook(*failed).steps} <= allowed


def bounds(w) -> list[float]:
    return [] if w.interval is None else [w.interval.low, w.interval.high]


def numbers(*texts: str) -> set[str]:
    return {number for text in texts for number in re.findall(r"\d+(?:\.\d+)?", text)}


def counted(value) -> set[str]:
    """Every number in a value as it is written, however deep."""
    if isinstance(value, int):
        return {str(value)}
    if isinstance(value, float):
        return {f"{round(value, 1):.10g}"}
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
