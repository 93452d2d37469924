"""What each recorded run teaches about an outage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.model import Graph, Workflow
from agentguard.graph.runs import Runs
from agentguard.simulation.answer import answer
from agentguard.simulation.bits import DRAWS, count, drawn, planes, stratified
from agentguard.simulation.call_rows import text_hashes
from agentguard.simulation.documents import simulation_document
from agentguard.simulation.engine import simulate
from agentguard.simulation.model import Method
from tests.simulation.strategies import recorded_worlds, scenarios, seeds
from tests.simulation.worlds import (
    SECOND,
    call,
    component,
    fallback,
    needs,
    record,
    workflow,
    world,
)

PLAIN = world(needs("A", "B"), workflows=[workflow("w", "A")])
GOOD = ("w", call("A", call("B")))
SURVIVED = ("w", call("A", call("B", failed=True)))
BROKEN = ("w", call("A", call("B", failed=True), failed=True))


def lost(graph, made, *failed, **more) -> float:
    result = simulate(graph, record(made), failed, method=Method.REPLAY, **more)
    return sum(w.runs_lost for w in result.workflows)


def test_a_run_that_never_called_it_survives():
    assert lost(PLAIN, [BROKEN] * 5 + [GOOD, ("w", call("A"))], "B") == pytest.approx(1, abs=0.05)


def test_a_run_that_had_failed_already_is_seen_and_not_lost():
    result = simulate(PLAIN, record([GOOD] + [BROKEN] * 9), ["B"])

    (found,) = result.workflows
    assert (found.runs_seen, found.runs_failed) == (10, 9)
    assert found.runs_lost == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("history", "least", "most"),
    [
        ([SURVIVED], 0, 2),
        ([SURVIVED] * 5, 0, 0.1),
        ([BROKEN], 18, 20),
        ([BROKEN] * 5, 19.8, 20),
        ([SURVIVED] * 14 + [BROKEN], 0, 1.5),
        ([], 10, 16),
    ],
)
def test_runs_are_lost_as_the_history_suggests_and_one_failure_is_not_certainty(
    history, least, most
):
    assert least <= lost(PLAIN, [*history, *[GOOD] * 20], "B") <= most


def test_where_both_were_often_seen_the_share_absorbed_decides():
    count = lost(PLAIN, [*[SURVIVED] * 60, *[BROKEN] * 20, *[GOOD] * 1_000], "B")

    assert 200 < count < 300  # a quarter of 1,000


def test_what_was_never_seen_is_a_mean_between_both_cases_and_the_dependency_that_decides():
    result = simulate(PLAIN, record([GOOD] * 7), ["B"])

    (found,) = result.workflows
    assert (found.best, found.worst) == (0, 7)
    assert 0 < found.runs_lost < 7
    assert result.assumptions is not None
    assert (result.assumptions.calls_failed, result.assumptions.absorption_unknown) == (7, 7)
    (day,) = result.game_days
    assert (day.source, day.target, day.calls) == ("A", "B", 7)
    assert (day.runs_lost_if_survived, day.runs_lost_if_not) == (0, 7)
    assert day.narrows > 0.9


def test_what_was_seen_failing_is_no_game_day():
    assert simulate(PLAIN, record([GOOD, BROKEN]), ["B"]).game_days == ()


def test_the_failures_that_absorption_rests_on_are_listed():
    result = simulate(PLAIN, record([SURVIVED, *[GOOD] * 20]), ["B"])

    assert result.assumptions is not None
    (found,) = result.assumptions.precedents
    assert (found.source, found.target, found.absorbed, found.seen, found.calls) == (
        "A",
        "B",
        1,
        1,
        20,
    )
    assert 0.9 < found.survives < 1
    note = simulation_document(result)["assumptions"]["note"]
    assert note.startswith("20 failing calls A → B were assumed to be absorbed with probability ")
    assert "because 1 of 1 recorded failures were absorbed." in note


def test_a_failure_is_not_blamed_for_what_a_later_one_explains():
    graph = world(needs("A", "B"), needs("A", "C"), workflows=[workflow("w", "A")])
    both = ("w", call("A", call("B", failed=True), call("C", failed=True), failed=True))
    spared = ("w", call("A", call("B", failed=True), call("C")))
    fine = ("w", call("A", call("B"), call("C")))

    assert lost(graph, [spared, both, *[fine] * 20], "B") < 3
    assert lost(graph, [spared, both, *[fine] * 20], "C") > 18


def test_the_failure_of_a_workflows_entry_is_never_absorbed():
    entered = Workflow("w", "w", "gate", "A", 10, 0, SECOND, 2 * SECOND)
    graph = world(
        needs("gate", "A"),
        workflows=[entered],
        components=[component("gate", ComponentKind.SERVICE)],
    )
    run = ("w", call("gate", call("A")))

    assert lost(graph, [run] * 10, "A") == 10


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [(DependencyType.HANDOFF, 4.5, 5), (DependencyType.MESSAGING, 0.5, 3)],
)
def test_a_run_that_ended_before_its_message_was_handled_shows_no_absorption(kind, least, most):
    graph = world(needs("A", "B", kind), workflows=[workflow("w", "A")])
    runs = record(
        [
            ("w", call("A", call("B", type=kind, failed=True))),
            *[("w", call("A", call("B", type=kind)))] * 5,
        ]
    )
    unharmed = Runs(runs.runs.set_column(2, "failed", pa.array([False] * 6)), runs.calls)
    result = simulate(graph, unharmed, ["B"])

    assert least <= 5 - sum(w.runs_lost for w in result.workflows) <= most


def test_a_successful_retry_is_no_sign_that_an_outage_would_be_absorbed():
    retried = ("w", call("A", call("B", failed=True), call("B", rescues=True)))

    found, without = lost(PLAIN, [retried] * 10, "B"), lost(PLAIN, [GOOD] * 10, "B")
    assert found == pytest.approx(without, abs=0.1)


def test_a_fallback_seen_in_the_run_itself_saves_it():
    graph = world(
        needs("A", "B"),
        needs("A", "C", calls=1),
        fallbacks=[fallback("A", "B", "C", count=50, rescued=50)],
        workflows=[workflow("w", "A")],
    )
    rescued = ("w", call("A", call("B", failed=True), call("C", rescues=True)))
    failed = (
        "w",
        call("A", call("B", failed=True), call("C", failed=True, rescues=True), failed=True),
    )

    assert lost(graph, [rescued, *[failed] * 5], "B") == 0
    assert lost(graph, [rescued, *[failed] * 5], "C") == pytest.approx(1, abs=0.01)
    assert lost(graph, [rescued, GOOD, *[failed] * 5], "B", "C") == pytest.approx(2, abs=0.02)


def test_a_fallback_of_another_caller_saves_nobody():
    graph = world(
        needs("A", "B"),
        needs("D", "B"),
        fallbacks=[fallback("D", "B", "C")],
        workflows=[workflow("w", "A")],
    )

    assert lost(graph, [GOOD, *[BROKEN] * 5], "B") == pytest.approx(1, abs=0.01)


def test_a_fallback_saves_as_often_as_it_did():
    graph = world(
        needs("A", "B"),
        fallbacks=[fallback("A", "B", "C", count=400, rescued=100)],
        workflows=[workflow("w", "A")],
    )

    assert 720 < lost(graph, [*[GOOD] * 1_000, *[BROKEN] * 5], "B") < 780


def test_a_callers_retry_helps_against_a_fallback_that_failed_by_chance_not_against_an_outage():
    """G calls A again after it failed; A falls back from B to C, which works every other time."""
    graph = world(
        needs("G", "A"),
        needs("A", "B"),
        fallbacks=[fallback("A", "B", "C", count=200, rescued=100)],
        workflows=[workflow("w", "G")],
    )
    run = ("w", call("G", call("A", call("B"))))
    broken = ("w", call("G", call("A", call("B", failed=True), failed=True), failed=True))
    again = call("A", call("B"), rescues=True)
    retried = ("w", call("G", call("A", failed=True), again))
    history = [*[broken] * 5, *[run] * 100]

    once, twice = (lost(graph, made, "B") for made in (history, [*[retried] * 50, *history]))
    assert 40 < once < 60
    assert twice < 10
    alone = replace(graph, fallbacks=())
    assert lost(alone, [*[retried] * 50, *history], "B") == pytest.approx(150, abs=1)


def test_a_fallback_that_shares_its_primarys_fate_saves_nobody():
    graph = world(
        needs("A", "B"),
        needs("B", "Host"),
        needs("C", "Host"),
        fallbacks=[fallback("A", "B", "C", count=100, rescued=100)],
        workflows=[workflow("w", "A")],
    )
    run = ("w", call("A", call("B", call("Host"))))
    broken = ("w", call("A", call("B", call("Host", failed=True), failed=True), failed=True))

    assert lost(graph, [run, *[broken] * 5], "B") < 0.02
    assert lost(graph, [run, *[broken] * 5], "Host") == pytest.approx(1, abs=0.02)


def test_a_failed_rescuer_is_not_rescued_by_what_it_stood_in_for():
    graph = world(
        needs("A", "B"),
        fallbacks=[fallback("A", "B", "C"), fallback("A", "C", "B")],
        workflows=[workflow("w", "A")],
    )
    rescued = ("w", call("A", call("B", failed=True), call("C", rescues=True)))
    failed = (
        "w",
        call("A", call("B", failed=True), call("C", failed=True, rescues=True), failed=True),
    )

    assert lost(graph, [rescued, *[failed] * 5], "C") == pytest.approx(1, abs=0.01)


def test_a_component_that_fails_twice_in_a_run_costs_it_once():
    twice = ("w", call("A", call("B"), call("B")))

    assert lost(PLAIN, [twice, *[BROKEN] * 5], "B") == pytest.approx(1, abs=0.01)


def test_a_handoff_below_what_is_out_never_happens():
    graph = world(
        needs("A", "B"), needs("B", "C", DependencyType.HANDOFF), workflows=[workflow("w", "A")]
    )
    run = ("w", call("A", call("B", call("C", type=DependencyType.HANDOFF))))

    assert lost(graph, [run, *[SURVIVED] * 5], "C") > 0.2
    assert lost(graph, [run, *[SURVIVED] * 5], "B", "C") < 0.02


def test_the_range_is_that_of_another_window_of_as_many_runs():
    made = [GOOD] * 30 + [("w", call("A"))] * 70 + [BROKEN] * 9
    (found,) = simulate(PLAIN, record(made), ["B"]).workflows

    assert found.interval is not None
    assert found.interval.method == "predictive"
    assert 0.1 < found.interval.low < found.share < found.interval.high < 0.45


def test_where_every_run_is_lost_the_range_still_admits_that_few_were_seen():
    few, many = (simulate(PLAIN, record([GOOD] * n), ["A"]).workflows[0] for n in (3, 300))

    assert few.interval is not None
    assert many.interval is not None
    assert few.runs_lost == 3
    assert few.interval.low < 0.7
    assert many.interval.low > 0.97
    assert few.interval.high == many.interval.high == 1.0


def test_a_workflow_that_loses_nothing_has_a_range_too():
    graph = world(
        needs("A", "B"),
        needs("Z", "Y"),
        workflows=[workflow("w", "A"), workflow("v", "Z")],
    )
    result = simulate(graph, record([GOOD] * 9 + [("v", call("Z"))] * 9), ["A"])

    (spared,) = result.spared
    assert (spared.id, spared.runs_lost, spared.runs_seen) == ("v", 0, 9)
    assert spared.interval is not None
    assert spared.interval.low == 0
    assert 0.05 < spared.interval.high < 0.5


def test_calls_without_spans_of_their_own_fail_with_their_callers_and_it_is_said():
    graph = world(needs("A", "B"), needs("B", "quiet"), workflows=[workflow("w", "A")])
    result = simulate(graph, record([GOOD] * 10), ["quiet"])

    assert sum(w.runs_lost for w in result.workflows) > 3
    assert result.assumptions is not None
    assert result.assumptions.without_calls == (("B", "quiet"),)
    assert (
        "No calls are recorded of B → quiet" in simulation_document(result)["assumptions"]["note"]
    )


def test_a_path_leads_through_all_that_has_no_recorded_calls():
    graph = world(
        needs("A", "B"), needs("B", "quiet"), needs("quiet", "deep"), workflows=[workflow("w", "A")]
    )
    (hit, *_) = simulate(graph, record([GOOD] * 10), ["deep"]).components

    assert [(s.source, s.target) for s in hit.path] == [("quiet", "deep"), ("B", "quiet")]


def test_a_component_is_listed_if_one_of_its_invocations_probably_fails():
    made = [GOOD] * 5 + [("w", call("A"))] * 95
    listed = simulate(PLAIN, record([*made, *[BROKEN] * 5]), ["B"]).components
    spared = simulate(PLAIN, record([*made, *[SURVIVED] * 5]), ["B"]).components

    assert [(c.id, c.invocations) for c in listed] == [("A", 105)]
    assert listed[0].invocations_hit == pytest.approx(5, abs=0.1)
    assert listed[0].probability is not None
    assert listed[0].probability > 0.95
    assert spared == ()


@settings(max_examples=20, deadline=None)
@given(made=recorded_worlds(), failed=scenarios, seed=seeds)
def test_same_seed_same_answer(made, failed, seed):
    graph, runs = made

    assert simulate(graph, runs, sorted(failed), seed=seed) == simulate(
        graph, runs, sorted(failed, reverse=True), seed=seed
    )


@settings(max_examples=20, deadline=None)
@given(made=recorded_worlds(), failed=scenarios, seed=seeds)
def test_only_callers_are_hit_and_each_path_is_made_of_calls(made, failed, seed):
    graph, runs = made
    calls = {(c["source"], c["target"]) for c in runs.calls.to_pylist()}
    calls |= {(d.source, d.target) for d in graph.dependencies}  # without recorded calls

    for c in simulate(graph, runs, sorted(failed), seed=seed).components:
        assert c.id not in failed
        assert c.path[0].target in failed
        assert c.path[-1].source == c.id
        assert all(a.source == b.target for a, b in zip(c.path, c.path[1:], strict=False))
        assert all((s.source, s.target) in calls for s in c.path)


@settings(max_examples=20, deadline=None)
@given(made=recorded_worlds(), failed=scenarios, seed=seeds, data=st.data())
def test_the_order_of_the_runs_does_not_matter(made, failed, seed, data):
    graph, runs = made
    turned = reordered(runs, data.draw(st.permutations(range(runs.runs.num_rows))))

    before, after = (simulate(graph, r, sorted(failed), seed=seed) for r in (runs, turned))
    assert [(w.id, w.runs_lost, w.interval) for w in after.workflows] == [
        (w.id, w.runs_lost, w.interval) for w in before.workflows
    ]
    assert {(c.id, c.invocations_hit) for c in after.components} == {
        (c.id, c.invocations_hit) for c in before.components
    }
    assert after.assumptions == before.assumptions


def reordered(runs: Runs, order: list[int]) -> Runs:
    """The same runs in another order; ids of traces and spans stay."""
    calls = runs.calls.to_pylist()
    rows = [i for run in order for i, c in enumerate(calls) if c["run"] == run]
    new_row, new_run = (
        {old: new for new, old in enumerate(rows)} | {-1: -1},
        {old: new for new, old in enumerate(order)},
    )
    moved = [
        c
        | {
            "run": new_run[c["run"]],
            "parent": new_row[c["parent"]],
            "rescued_by": new_row[c["rescued_by"]],
        }
        for c in (calls[i] for i in rows)
    ]
    return Runs(runs.runs.take(order), pa.Table.from_pylist(moved, runs.calls.schema))


@settings(max_examples=30, deadline=None)
@given(ids=st.lists(st.text(max_size=12), min_size=1, max_size=20, unique=True), seed=seeds)
def test_what_is_drawn_for_a_key_depends_on_nothing_else(ids, seed):
    together = text_hashes(ids)
    draws, chances = stratified(together, seed, 1), planes(np.full((len(ids), DRAWS), 0.5))
    bits = drawn(together, chances, seed, 2)
    turned = drawn(together[::-1], chances, seed, 2)[::-1]

    assert (stratified(text_hashes(ids[:1]), seed, 1) == draws[:1]).all()
    assert (bits == turned).all()
    assert (np.sort(draws, axis=1) == (np.arange(DRAWS) + 0.5) / DRAWS).all()


def test_draws_happen_as_often_as_they_should():
    keys = text_hashes([str(n) for n in range(2_000)])

    for chance in (0.0, 0.125, 0.5, 0.9, 1.0):
        found = count(drawn(keys, planes(np.full((2_000, DRAWS), chance)), 1, 2))
        assert found.sum() / (2_000 * DRAWS) == pytest.approx(chance, abs=0.004)
        if chance in (0, 1):
            assert set(found.tolist()) == {chance * DRAWS}


@pytest.mark.parametrize(
    "below", [(call("B", call("C")), call("C")), (call("C"), call("B", call("C")))]
)
def test_of_several_ways_the_shortest_is_shown(below):
    graph = world(needs("A", "B"), needs("B", "C"), needs("A", "C"), workflows=[workflow("w", "A")])
    detour, both = ("w", call("A", call("B", call("C")))), ("w", call("A", *below))

    for made in ([detour, both], [both]):
        found = {
            c.id: [(s.source, s.target) for s in c.path]
            for c in simulate(graph, record(made), ["C"]).components
        }
        assert found["A"] == [("A", "C")]


def with_two_fallbacks() -> tuple[Graph, Runs]:
    """A falls back from M to N and P; nothing else is known to survive."""
    graph = world(
        needs("A", "M"),
        fallbacks=[fallback("A", "M", n, count=100, rescued=100) for n in ("N", "P")],
        workflows=[workflow("w", "A")],
    )
    broken = ("w", call("A", call("M", failed=True), failed=True))
    return graph, record([*[broken] * 5, *[("w", call("A", call("M")))] * 10])


@pytest.mark.parametrize(
    ("failed", "named"), [(["M"], ["N", "P"]), (["M", "N"], ["P"]), (["M", "N", "P"], [])]
)
def test_only_fallbacks_that_work_in_the_outage_take_over(failed, named):
    graph, runs = with_two_fallbacks()
    result = simulate(graph, runs, failed)

    assert result.assumptions is not None
    assert [r.secondary for r in result.assumptions.rescues] == named
    assert result.assumptions.fallback_seen
    assert result.assumptions.fallback_takes_over is bool(named)
    assert ("no fallback takes over" in answer(result, {}).sentence) is not named


def test_where_nothing_replaces_what_failed_no_fallback_was_seen():
    result = simulate(PLAIN, record([*[BROKEN] * 5, *[GOOD] * 5]), ["B"])

    assert "no fallback was seen" in answer(result, {}).sentence


def test_what_a_retry_recovers_is_not_credited_to_the_fallback():
    """G falls back from A to D half of the time, and retries A, whose own fallback works half."""
    graph = world(
        needs("G", "A"),
        needs("A", "B"),
        fallbacks=[
            fallback("A", "B", "C", count=2000, rescued=1000),
            fallback("G", "A", "D", count=2000, rescued=1000),
        ],
        workflows=[workflow("w", "G")],
    )
    run = ("w", call("G", call("A", call("B"))))
    broken = ("w", call("G", call("A", call("B", failed=True), failed=True), failed=True))
    retried = ("w", call("G", call("A", failed=True), call("A", call("B"), rescues=True)))
    result = simulate(graph, record([*[broken] * 50, *[retried] * 500, *[run] * 500]), ["B"])

    assert result.assumptions is not None
    calls = {r.primary: r.calls for r in result.assumptions.rescues}
    assert calls["B"] == pytest.approx(500, rel=0.05)  # half of 1,000
    assert calls["A"] == pytest.approx(250, rel=0.1)  # half of the others
    assert result.assumptions.rescued_by_history > 0.95 * 1000
