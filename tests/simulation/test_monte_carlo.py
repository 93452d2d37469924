"""The Monte Carlo method on small worlds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.model import Graph, Hosting
from agentguard.graph.runs import Runs
from agentguard.simulation import engine, monte_carlo, structural
from agentguard.simulation.answer import answer
from agentguard.simulation.engine import Closure
from agentguard.simulation.model import DEFAULT_THRESHOLDS, Method, Outcome
from agentguard.simulation.modes import OUTAGE, parse_mode
from agentguard.simulation.severities import Severity
from agentguard.simulation.wording import percent
from tests.simulation.strategies import recorded_worlds, scenarios, seeds
from tests.simulation.worlds import (
    BASIS,
    call,
    component,
    evidence,
    fallback,
    needs,
    record,
    workflow,
    world,
)


def outcome(graph: Graph, runs: Runs | None, seed: int = 0, **modes: str) -> Outcome:
    closed = Closure(graph).of(sorted(modes))
    parsed = {name: parse_mode(text) for name, text in modes.items()}
    s = structural.structure(graph, runs)
    return monte_carlo.simulate(graph, runs, s, closed, parsed, seed=seed)


def shares(found: Outcome) -> dict[str, float]:
    return {w.id: w.share for w in (*found.workflows, *found.spared)}


def chances(found: Outcome) -> dict[str, float]:
    assert found.monte_carlo is not None
    return {c.id: c.probability for c in (*found.monte_carlo.components,)}


def model_chain(runs: int = 10) -> tuple[Graph, Runs]:
    """Runs of w in A, which calls the model M; that failed three times, and A with it."""
    graph = world(
        needs("A", "M", DependencyType.CALLS_MODEL),
        workflows=[workflow("w", "A", runs + 3, 3)],
        components=[component("M", ComponentKind.MODEL)],
    )
    good = [("w", call("A", call("M", type=DependencyType.CALLS_MODEL)))] * runs
    bad = call("A", call("M", failed=True, type=DependencyType.CALLS_MODEL), failed=True)
    return graph, record([*good, *[("w", bad)] * 3])


def test_an_outage_of_what_was_never_survived_loses_every_successful_run():
    graph, runs = model_chain()

    found = outcome(graph, runs, M="outage")

    assert shares(found)["w"] == pytest.approx(10 / 13, abs=0.02)
    assert chances(found)["A"] > 0.97
    assert [c.id for c in found.components] == ["A"]


def test_errors_strike_their_share():
    graph, runs = model_chain()

    found = outcome(graph, runs, M="errors:0.2")

    assert chances(found)["A"] == pytest.approx(0.2, abs=0.01)
    [lost] = found.workflows
    assert lost.runs_lost == pytest.approx(2.0, abs=0.1)
    assert lost.interval is not None
    assert lost.interval.low < lost.share < lost.interval.high


def test_several_calls_in_a_run_are_several_chances_to_fail():
    graph, _ = model_chain()
    twice = record([("w", call("A", call("M"), call("M"), call("M")))] * 10)
    graph = replace(graph, dependencies=(needs("A", "M", absorbed=0, propagated=9),))

    found = outcome(graph, twice, M="errors:0.2")

    chance = chances(found)["A"]
    survives = 1 - chances(outcome(graph, twice, M="outage"))["A"]
    assert chance == pytest.approx((1 - 0.8**3) * (1 - survives), abs=0.01)


@given(seed=seeds, recorded=recorded_worlds(), failed=scenarios)
@settings(deadline=None, max_examples=15)
def test_all_calls_in_error_are_an_outage_and_none_is_nothing(seed, recorded, failed):
    graph, runs = recorded
    failed = sorted(set(failed) & {c.id for c in graph.components}) or [graph.components[0].id]

    outage, errors, nothing = (
        outcome(graph, runs, seed, **dict.fromkeys(failed, mode))
        for mode in ("outage", "errors:1", "errors:0")
    )

    assert outage.components == errors.components
    assert outage.workflows == errors.workflows
    assert not nothing.workflows
    assert not nothing.components


@given(seed=seeds, recorded=recorded_worlds(), failed=scenarios)
@settings(deadline=None, max_examples=15)
def test_a_failure_in_addition_never_loses_fewer_runs(seed, recorded, failed):
    graph, runs = recorded
    names = [c.id for c in graph.components]
    failed = sorted(set(failed) & set(names)) or names[:1]

    few = shares(outcome(graph, runs, seed, **{failed[0]: "errors:0.4"}))
    more = shares(outcome(graph, runs, seed, **{failed[0]: "errors:0.7"}))
    most = shares(outcome(graph, runs, seed, **dict.fromkeys(names, "outage")))

    assert all(few[w] <= more[w] <= most[w] for w in few)


def test_the_same_seed_gives_the_same_answer_on_any_number_of_threads():
    graph, runs = model_chain()
    s, closed = structural.structure(graph, runs), Closure(graph).of(["M"])
    modes = {"M": parse_mode("errors:0.3")}

    one, two, other = (
        monte_carlo.simulate(graph, runs, s, closed, modes, seed=seed, threads=threads)
        for seed, threads in ((5, 1), (5, 3), (6, 1))
    )

    assert one == two
    assert one != other


def test_a_scenario_answers_alike_alone_and_among_others():
    graph, runs = model_chain()
    s = structural.structure(graph, runs)
    cases = [
        (Closure(graph).of(["M"]), {"M": parse_mode("errors:0.3")}),
        (Closure(graph).of(["M", "A"]), {}),
    ]

    together = monte_carlo.simulate_all(graph, runs, s, cases, seed=3)

    assert together == [monte_carlo.simulate(graph, runs, s, *case, seed=3) for case in cases]


def test_a_fallback_that_worked_takes_over():
    graph = world(
        needs("A", "M"),
        needs("A", "N"),
        fallbacks=[fallback("A", "M", "N", count=9, rescued=9)],
        workflows=[workflow("w", "A")],
    )
    rescued = call("A", call("M", failed=True), call("N", rescues=True))
    runs = record([*[("w", call("A", call("M")))] * 10, *[("w", rescued)] * 9])

    one, both = outcome(graph, runs, M="outage"), outcome(graph, runs, M="outage", N="outage")

    assert shares(one)["w"] < 0.1
    assert shares(both)["w"] > 3 * shares(one)["w"]


def test_what_a_workflow_never_uses_does_not_touch_it():
    graph = world(
        needs("A", "B"), needs("B", "C"), workflows=[workflow("v", "A"), workflow("w", "B")]
    )
    runs = record([*[("v", call("A", call("B", call("C"))))] * 5, *[("w", call("B"))] * 5])

    found = outcome(graph, runs, C="outage")

    assert shares(found)["w"] == 0
    assert shares(found)["v"] > 0


def test_what_was_never_seen_gives_a_best_and_a_worst_case():
    graph = world(needs("A", "B"), workflows=[workflow("w", "A")])
    runs = record([("w", call("A", call("B")))] * 10)

    [lost] = outcome(graph, runs, B="outage").workflows

    assert lost.best == 0
    assert lost.worst == 10
    assert 0 < lost.runs_lost < 10


def test_a_component_fails_with_its_host_in_the_same_mode():
    host = component("S", ComponentKind.SERVICE)
    graph = world(needs("A", "B"), workflows=[workflow("w", "A")], components=[host])
    graph = replace(
        graph,
        runs_in=(Hosting("B", "S", ComponentKind.SERVICE, "S", BASIS, evidence("B"), runs=10),),
    )
    runs = record([("w", call("A", call("B")))] * 10)

    found = outcome(graph, runs, S="errors:0.5")

    assert found.monte_carlo is not None
    assert {(f.id, f.mode) for f in found.monte_carlo.faults} == {
        ("B", "errors:0.5"),
        ("S", "errors:0.5"),
    }
    assert shares(found)["w"] == pytest.approx(shares(outcome(graph, runs, B="errors:0.5"))["w"])


def two_hosts(first: int, second: int) -> Graph:
    hosts = [component(name, ComponentKind.SERVICE) for name in ("S", "T")]
    graph = world(needs("A", "B"), workflows=[workflow("w", "A")], components=hosts)
    runs_in = (
        Hosting("B", host, ComponentKind.SERVICE, host, BASIS, evidence("B"), runs=runs)
        for host, runs in (("S", first), ("T", second))
    )
    return replace(graph, runs_in=tuple(runs_in))


def test_what_runs_in_two_failing_hosts_fails_as_each_in_its_share():
    runs = record([("w", call("A", call("B")))] * 10)

    found = outcome(two_hosts(3, 1), runs, S="outage", T="errors:0.5")

    assert found.monte_carlo is not None
    assert {(f.id, f.mode, f.share) for f in found.monte_carlo.faults if f.id == "B"} == {
        ("B", "outage", 0.75),
        ("B", "errors:0.5", 0.25),
    }
    part = shares(outcome(two_hosts(3, 1), runs, B="errors:0.875"))["w"]
    assert shares(found)["w"] == pytest.approx(part, abs=0.01)


def test_two_hosts_that_fail_alike_are_one_fault():
    found = outcome(two_hosts(3, 1), record([("w", call("A", call("B")))]), S="outage", T="outage")

    assert found.monte_carlo is not None
    assert [(f.mode, f.share) for f in found.monte_carlo.faults if f.id == "B"] == [("outage", 1)]


def test_a_wrong_answer_goes_up_to_the_caller_and_on_with_a_handoff():
    graph = world(
        needs("A", "M"),
        needs("A", "B", DependencyType.HANDOFF),
        needs("C", "B"),
        workflows=[workflow("w", "A")],
    )
    runs = record([("w", call("A", call("M"), call("B", type=DependencyType.HANDOFF)))] * 10)

    found = outcome(graph, runs, M="wrong_output:0.25")

    assert chances(found) == pytest.approx({"A": 0.25, "B": 0.25}, abs=0.01)
    assert found.monte_carlo is not None
    [w] = found.monte_carlo.workflows
    assert w.wrong == pytest.approx(0.25, abs=0.01)
    assert w.probability == w.wrong


def test_a_wrong_answer_does_not_go_down_to_callees():
    graph = world(needs("A", "B"), needs("B", "C"), workflows=[workflow("w", "A")])
    runs = record([("w", call("A", call("B", call("C"))))] * 10)

    assert chances(outcome(graph, runs, B="wrong_output:1")).keys() == {"A"}


def test_with_an_unknown_timeout_slowness_costs_nothing_to_everything():
    graph = world(needs("A", "B"), workflows=[workflow("w", "A")])
    runs = record([("w", call("A", call("B")))] * 10)

    found = outcome(graph, runs, B="latency:10")

    [lost] = found.workflows
    assert (lost.runs_lost, lost.best, lost.worst) == (0, 0, 10)
    assert found.monte_carlo is not None
    [timeout] = [t for t in found.monte_carlo.timeouts if t.target == "B"]
    assert timeout.timeout_seconds is None
    assert timeout.share == 1


def test_runs_lost_per_hour_and_in_a_bad_hour():
    graph, runs = model_chain()
    graph = replace(graph, workflows=(workflow("w", "A", 13, 3, seconds=1800),))

    found = outcome(graph, runs, M="errors:0.2")

    assert found.monte_carlo is not None
    rate, total = found.monte_carlo.rates
    assert rate.expected == pytest.approx(20 * 0.2, rel=0.1)
    assert rate.bad_hour > rate.expected
    assert (total.workflow, total.expected) == (None, rate.expected)


def test_no_rate_per_hour_where_too_short_a_time_was_observed():
    graph, runs = model_chain()
    graph = replace(graph, workflows=(workflow("w", "A", 13, 3, seconds=60),))

    found = outcome(graph, runs, M="errors:0.2")

    assert found.monte_carlo is not None
    assert found.monte_carlo.rates == ()


def test_without_runs_the_graphs_counts_are_used():
    graph = world(
        needs("A", "B", calls=10, source_runs=5, propagated=9, errors=9),
        workflows=[workflow("w", "A")],
    )

    found = outcome(graph, None, B="outage")

    assert chances(found)["A"] == pytest.approx(0.5, abs=0.03)


@given(edges=st.sets(st.tuples(st.sampled_from("ABCDEF"), st.sampled_from("ABCDEF")), max_size=12))
@settings(deadline=None, max_examples=25)
def test_the_worst_case_of_an_outage_is_the_structural_one(edges):
    """Where every run of a source uses its target, and nothing was seen failing."""
    pairs = sorted((a, b) for a, b in edges if a != b)
    graph = world(
        *(needs(a, b) for a, b in pairs),
        workflows=[workflow("w", "A")],
        components=[component(n) for n in "ABCDEF"],
    )
    s = structural.structure(graph, None)
    worst = structural.simulate(graph, s, ["F"])

    found = outcome(graph, None, F="outage")

    lost = {w.id for w in (*found.workflows, *found.spared) if w.worst == w.runs_seen}
    assert lost == {w.id for w in worst.workflows}


def test_the_default_mode_is_an_outage():
    graph, runs = model_chain()
    s, closed = structural.structure(graph, runs), Closure(graph).of(["M"])

    plain = monte_carlo.simulate(graph, runs, s, closed, {}, seed=1)

    assert plain == monte_carlo.simulate(graph, runs, s, closed, {"M": OUTAGE}, seed=1)
    assert np.isfinite(plain.monte_carlo.workflows[0].probability)


def unrecorded() -> Graph:
    """A needs B, whose failure it mostly does not survive; no run of w was counted."""
    return world(
        needs("A", "B", propagated=9, errors=9),
        workflows=[workflow("w", "A", runs=0)],
    )


def test_a_workflow_without_recorded_runs_may_fail_and_decides_the_severity_by_its_probability():
    found = engine.simulate(unrecorded(), None, ["B"], method=Method.MONTE_CARLO)

    assert found.monte_carlo is not None
    chance = found.monte_carlo.workflows[0].probability
    assert 0.5 < chance < 1
    assert [w.id for w in found.workflows] == ["w"]
    assert not found.spared
    assert found.severity is DEFAULT_THRESHOLDS.severity(chance)
    assert f"w fails with a probability of {percent(chance)}%" in found.severity_reason
    assert f"w (with a probability of {percent(chance)} %) may fail" in answer(found, {}).sentence


def test_a_workflow_without_recorded_runs_that_cannot_fail_is_spared():
    found = engine.simulate(
        unrecorded(), None, ["B"], method=Method.MONTE_CARLO, modes={"B": parse_mode("errors:0")}
    )

    assert ([w.id for w in found.spared], found.severity) == (["w"], Severity.LOW)
    assert "no workflow is expected to fail" in answer(found, {}).sentence


def test_a_fallback_of_several_primaries_helps_as_often_as_for_all_of_them():
    """F took over from M nine times of ten, and from the seldom replaced Z never."""
    graph = world(
        needs("A", "M"),
        needs("A", "Z"),
        fallbacks=[
            fallback("A", "M", "F", count=900, rescued=810),
            fallback("A", "Z", "F", count=100, rescued=0),
        ],
        workflows=[workflow("w", "A")],
    )
    broken = ("w", call("A", call("M", failed=True), failed=True))
    rescued = ("w", call("A", call("M", failed=True), call("F", rescues=True)))
    runs = record([*[broken] * 50, rescued, *[("w", call("A", call("M")))] * 49])

    assert chances(outcome(graph, runs, M="outage"))["A"] == pytest.approx(0.19, abs=0.02)


@pytest.mark.parametrize("method", [Method.REPLAY, Method.MONTE_CARLO])
def test_runs_of_workflows_that_the_graph_does_not_have_are_not_counted(method):
    graph, _ = model_chain()
    made = call("A", call("M", type=DependencyType.CALLS_MODEL))
    runs = record([*[("w", made)] * 10, *[("gone", made)] * 10])

    found = engine.simulate(graph, runs, ["M"], method=method)

    assert [w.id for w in (*found.workflows, *found.spared)] == ["w"]
    assert all(g.runs_lost_if_not in (None, 10) for g in found.game_days)
    if found.monte_carlo is not None:
        assert [w.id for w in found.monte_carlo.workflows] == ["w"]
        assert [r.workflow for r in found.monte_carlo.rates] == ["w", None]
