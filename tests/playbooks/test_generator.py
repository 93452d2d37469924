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
from agentguard.incidents.recoveries import Recovery
from agentguard.playbooks.documents import playbook_document
from agentguard.playbooks.facts import MAX_EVIDENCE, MAX_LISTED
from agentguard.playbooks.generator import generate
from agentguard.playbooks.model import MAX_STEPS, Action, Phase, RecoveryTime
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


def playbook(*failed: str, graph=SHOP, runs=RUNS, text: str | None = None, **more):
    matches = match(graph, read_catalog(text, origin="c")) if text else None
    result = simulate(graph, runs, failed, graph_version="v1")
    return generate(graph, result, runs=runs, matches=matches, **more)


def step(found, action: Action):
    return next(s for s in found.steps if s.action is action)


def words(found) -> str:
    return "\n".join(
        line
        for s in found.steps
        for line in (s.title, *s.actions, *s.verifications, *s.rollback, *s.details)
    )


def written(found) -> str:
    """The whole text of a playbook, one line for each sentence."""
    lines = [found.situation.title, found.situation.lost, found.situation.summary]
    for s in found.steps:
        lines += ["", f"{s.id}: {s.title}"]
        lines += [f"  do      {line}" for line in s.actions]
        lines += [f"  check   {line}" for line in s.verifications]
        lines += [f"  undo    {line}" for line in s.rollback]
        lines += [f"  more    {line}" for line in s.details]
    return "\n".join([*lines, "", found.unknown or "all known"])


@pytest.mark.parametrize("failed", ["Payment", "gpt", "Checkout", "Host", "Invoice"])
def test_the_text_of_a_playbook(failed, snapshot):
    graph, runs = (HOSTED, None) if failed == "Host" else (SHOP, RUNS)

    assert written(playbook(failed, graph=graph, runs=runs)) == snapshot


def test_three_phases_in_order_every_step_whole():
    found = playbook("Payment")

    phases = [s.phase for s in found.steps]
    assert phases == sorted(phases, key=list(Phase).index)
    assert set(phases) == set(Phase)
    assert len({s.id for s in found.steps}) == len(found.steps) <= MAX_STEPS
    for s in found.steps:
        assert s.title
        assert s.actions
        assert s.verifications
        assert s.rollback
        assert s.evidence


def test_the_observed_fallback_is_the_backup_with_its_counts():
    switch = step(playbook("Payment"), Action.SWITCH)

    assert switch.title == "Switch Checkout from Payment to Invoice"
    assert numbers(switch.actions[0]) == {"2", "3"}
    assert [e.trace_id for e in switch.evidence] == ["Checkout-Payment-Invoice"]


def test_callers_without_a_fallback_are_named_beside_those_with_one():
    switch = step(playbook("Payment"), Action.SWITCH)

    assert switch.actions[1] == "No fallback was observed for Desk: keep to step 2 there."


@pytest.mark.parametrize(("absorbed", "counts"), [(0, {"3"}), (2, {"2", "3"})])
def test_how_often_a_caller_survived_alone_is_counted(absorbed, counts):
    graph = world(needs("A", "B", errors=3, absorbed=absorbed, propagated=3 - absorbed))

    found = step(playbook("B", graph=graph, runs=None), Action.GO_WITHOUT)
    assert numbers(found.actions[0]) == counts


def test_a_fallback_that_the_outage_takes_down_is_no_backup():
    found = step(playbook("Host", graph=HOSTED, runs=None), Action.GO_WITHOUT)

    assert any("do not fall back to C" in action for action in found.actions)


@pytest.mark.parametrize(
    ("providers", "says"), [(("openai",), "Wait for openai"), ((), "Wait for the provider")]
)
def test_a_model_is_restored_by_its_provider_and_never_restarted(providers, says):
    components = (
        replace(c, kind=ComponentKind.MODEL, providers=providers) if c.id == "gpt" else c
        for c in SHOP.components
    )
    found = playbook("gpt", graph=replace(SHOP, components=tuple(components)))

    assert "Restart" not in words(found)
    assert says in words(found)


def test_failed_spans_come_first_as_the_error_to_compare_with():
    confirm = playbook("Payment").steps[0]

    assert confirm.evidence == (FAILED,)
    assert "the failed span cited" in confirm.actions[1]


def test_where_nothing_ever_failed_there_is_no_error_to_compare_with():
    assert not any("Compare" in line for line in playbook("gpt").steps[0].actions)


def test_retries_are_turned_off_where_there_were_any():
    contain = step(playbook("Payment"), Action.CONTAIN)

    assert "3 of 48 calls were retries" in contain.actions[-1]
    assert "retries" not in words(playbook("Fraud"))


def test_containment_is_the_hold_that_saves_most_with_its_effect():
    found = step(playbook("Payment"), Action.CONTAIN)

    assert found.title == "Let Desk go on without Payment"
    lost = {w.name: w.runs_lost for w in simulate(SHOP, RUNS, ["Payment"]).workflows}
    assert f"of {round(sum(lost.values()))} lost runs" in found.actions[1]
    assert any("Let Checkout go on without Payment" in line for line in found.details)


@pytest.mark.parametrize(
    ("absorbed", "title"),
    [
        (0, "Route calls of B to its previous version"),
        (1, "Let A go on without B"),
    ],
)
def test_a_caller_that_never_survived_is_not_asked_to_go_on_alone(absorbed, title):
    edge = needs("A", "B", calls=10, errors=2, absorbed=absorbed, propagated=2 - absorbed)
    graph = world(
        edge,
        workflows=[workflow("w", "A", runs=10)],
        components=[component("B", invocations=10, errors=2)],
    )
    failed = [("w", call("A", call("B", failed=True), failed=n >= absorbed)) for n in range(2)]
    runs = record([("w", call("A", call("B")))] * 8 + failed)

    assert playbook("B", graph=graph, runs=runs).steps[1].title == title


def test_a_measure_that_skips_a_side_effect_comes_after_those_that_do_not():
    text = "any: [{name: Payment, effects: payment}]"

    found = step(playbook("Payment", text=text), Action.CONTAIN)
    assert found.title == "Route calls of Payment to its previous version"
    assert any("It skips: payment." in line for line in found.details)


def test_without_recorded_runs_nobody_knows_what_a_measure_saves():
    found = step(playbook("Payment", runs=None), Action.CONTAIN)

    assert "How many runs it saves is unknown: no runs were recorded." in found.actions


def test_users_are_notified_of_what_their_workflows_lose():
    notify = step(playbook("Payment"), Action.NOTIFY)

    lost = {w.name: w.runs_lost for w in simulate(SHOP, RUNS, ["Payment"]).workflows}["desk"]
    assert 2 < lost <= 9
    assert any(f"desk loses about {round(lost)} of 10 runs" in line for line in notify.actions)


def test_traffic_is_restored_callees_before_callers():
    resume = step(playbook("gpt"), Action.RESUME)

    assert "Resume Fraud → gpt with a few calls first, then Payment → Fraud" in resume.actions[0]
    assert resume.details[:2] == ("1. Fraud → gpt", "2. Payment → Fraud")
    assert any("Payment → Fraud" in v and {"2", "31"} <= numbers(v) for v in resume.details)


def test_the_failed_components_own_dependencies_are_checked_first():
    restore = step(playbook("Payment"), Action.RESTORE)

    assert restore.actions[0] == "Check what it depends on first: Fraud."
    assert numbers(restore.details[0]) == {"2", "31"}


def test_a_check_names_signal_threshold_and_what_it_was():
    (check,) = step(playbook("Payment"), Action.RESTORE).verifications

    assert check == (
        "Error share of Payment under 28 % over the next 20 calls; it was 15 % (7 of 48 calls) in"
        " the window."
    )


def test_owners_and_runbooks_come_from_the_catalog_and_from_nowhere_else():
    text = OWNERS.replace("owner: bank-team", "owner: bank-team, runbook: 'https://r/pay'")
    found = {s.action: s for s in playbook("Payment", text=text).steps}

    assert found[Action.CONFIRM].owner == "bank-team"
    assert found[Action.CONFIRM].runbooks == ("https://r/pay",)
    assert found[Action.SWITCH].owner == "shop-team"
    assert found[Action.NOTIFY].owner == "desk-team"
    assert {s.owner for s in playbook("Payment").steps} == {None}


def test_other_models_are_named_as_unproven():
    more = (
        component("claude", ComponentKind.MODEL, invocations=20, errors=1),
        component("unused", ComponentKind.MODEL, invocations=0),
    )
    graph = replace(SHOP, components=(*SHOP.components, *more))

    text = words(playbook("gpt", graph=graph))
    assert "Models in use that were never a fallback here: claude (1 of 20 calls failed)." in text
    assert "unused" not in text


def test_the_runs_of_an_entry_without_callers_are_paused():
    found = playbook("Checkout")

    assert step(found, Action.CONTAIN).title == "Pause the runs that need Checkout"
    assert "shop starts in Checkout: nothing upstream can reroute its runs" in words(found)


def test_what_nothing_depends_on_is_a_local_failure():
    graph = world(components=[component("Alone")])
    found = playbook("Alone", graph=graph, runs=None)

    assert found.situation.lost == (
        "Lost now: nothing observed; nothing else uses Alone (local only)."
    )
    assert [s.action for s in found.steps] == [
        Action.CONFIRM,
        Action.GO_WITHOUT,
        Action.RESTORE,
    ]


def test_names_that_two_components_share_are_told_apart_by_their_ids():
    graph = replace(
        SHOP,
        components=tuple(
            replace(c, name="Twin") if c.id in ("Payment", "Fraud") else c for c in SHOP.components
        ),
    )

    assert playbook("Payment", graph=graph).situation.title == "Outage of Payment"


def test_names_in_other_scripts_are_kept():
    graph = world(needs("Bestellung", "Zahlung – 支払い", calls=4))

    assert "支払い" in playbook("Zahlung – 支払い", graph=graph, runs=None).situation.title


def test_hundreds_of_callers_fit_into_seven_short_steps_and_the_rest_is_behind():
    graph = world(*(needs(f"c{n:03}", "hub", calls=900 - n) for n in range(500)))
    found = playbook("hub", graph=graph, runs=None)

    assert len(found.steps) <= MAX_STEPS
    for s in found.steps:
        assert len(s.actions) <= 4
        assert len(s.details) <= 2 * MAX_LISTED
        assert all(len(line) < 300 for line in (*s.actions, *s.verifications))
        assert len(s.evidence) <= MAX_EVIDENCE
    assert "500" not in found.situation.lost
    assert "and 497 other components may fail" in found.situation.lost


def test_a_recovery_time_is_the_range_of_past_recoveries():
    assert playbook("Payment").recovery_time is None

    past = [Recovery("c", 600.0), Recovery("b", 120.0), Recovery("a", 300.0)]
    found = playbook("Payment", recoveries=past)
    assert found.recovery_time == RecoveryTime(120.0, 600.0, 3, ("c", "b", "a"))
    assert found.recovery_time_reason is None
    assert "how long recovery takes" not in (found.unknown or "")


def test_what_a_second_run_does_twice_is_said_by_declared_effects():
    text = "any: [{name: Payment, effects: [payment, email]}]"
    found = step(playbook("gpt", text=text), Action.RERUN)

    repeats = [line for line in found.actions if line.startswith("A second run of")]
    assert "payment (Payment) and email (Payment)" in repeats[0]


def test_undeclared_effects_are_unknown_and_checked_before_a_second_run():
    found = playbook("Payment")

    assert "check in the failed trace" in step(found, Action.RERUN).actions[0]
    assert "side effects of desk and shop (not declared)" in (found.unknown or "")


def test_declared_without_effects_a_second_run_is_harmless():
    text = "workflows: [{name: desk, effects: none}, {name: shop, effects: []}]"
    found = playbook("Payment", text=text)

    assert "desk and shop have no side effects, as declared." in step(found, Action.RERUN).actions
    assert "side effects" not in (found.unknown or "")


@pytest.mark.parametrize(
    "failed", [["Payment"], ["gpt"], ["Checkout"], ["Payment", "Invoice"], ["Desk"]]
)
def test_every_number_was_counted(failed):
    """Shares, intervals and thresholds aside, which follow from counts."""
    found = playbook(*failed)
    said = re.sub(
        r"under [\d.]+ %|(above|usual:?|was) [\d.<]+ %|\d+–\d+ %|\([\d.<]+ %\)", "", words(found)
    )
    saved = re.sub(r"saves .*? lost runs( \(.*?\))?", "", said)
    steps = {"2", "1", "20", "95", *(str(n) for n in range(1, 13))}
    sums = {str(sum(d.calls for d in SHOP.dependencies if d.target in failed))}
    sums |= {str(sum(c.invocations for c in SHOP.components if c.id in failed))}
    sums |= {str(sum(c.errors for c in SHOP.components if c.id in failed))}
    allowed = counted(SHOP) | counted(simulate(SHOP, RUNS, failed)) | steps | sums

    assert numbers(saved) - {str(len(s.evidence)) for s in found.steps} <= allowed


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


def test_what_is_saved_of_several_workflows_that_hardly_lose_a_run_each() -> None:
    graph = world(
        needs("A", "B", DependencyType.USES_TOOL),
        workflows=[workflow(name, "A", runs=1) for name in ("v", "w")],
        components=[component("B", ComponentKind.TOOL)],
    )
    runs = record([(name, call("A", call("B"))) for name in ("v", "w")])
    result = simulate(graph, runs, ["B"])

    found = generate(graph, result, runs=runs)
    text = str([step.actions for step in found.steps])

    assert all(0 < each.runs_lost < 0.5 for each in result.workflows)
    assert "lost runs, hardly one of each workflow" in text


@settings(max_examples=40)
@given(made=recorded_worlds(), failed=scenarios, seed=seeds)
def test_components_and_evidence_all_exist_and_the_same_facts_give_the_same_playbook(
    made, failed, seed
):
    graph, runs = made
    result = simulate(graph, runs, sorted(failed), seed=seed)
    found = generate(graph, result, runs=runs)

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
    assert len(found.steps) <= MAX_STEPS
    assert generate(graph, result, runs=runs) == found


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
