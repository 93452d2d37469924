"""What each recorded run teaches about an outage."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.discovery.kinds import DependencyType
from agentguard.graph.runs import Runs
from agentguard.simulation.documents import simulation_document
from agentguard.simulation.engine import simulate
from agentguard.simulation.model import Method, Precedent
from agentguard.simulation.recording import recording
from tests.simulation.strategies import recorded_worlds, scenarios, seeds
from tests.simulation.worlds import call, fallback, needs, record, workflow, world

PLAIN = world(needs("A", "B"), workflows=[workflow("w", "A")])
GOOD = ("w", call("A", call("B")))


def lost(graph, made, *failed, **more) -> int:
    result = simulate(graph, record(made), failed, method=Method.REPLAY, **more)
    return sum(w.runs_lost for w in result.workflows)


def test_a_run_that_never_called_it_survives():
    assert lost(PLAIN, [GOOD, ("w", call("A"))], "B") == 1


def test_a_run_that_had_failed_already_is_seen_and_not_lost():
    result = simulate(
        PLAIN, record([GOOD, ("w", call("A", call("B", failed=True), failed=True))]), ["B"]
    )

    (found,) = result.workflows
    assert (found.runs_seen, found.runs_failed, found.runs_lost, found.share) == (2, 1, 1, 0.5)


def test_a_failure_absorbed_before_is_absorbed_again():
    survived = ("w", call("A", call("B", failed=True)))

    assert lost(PLAIN, [survived, *[GOOD] * 20], "B") == 0


def test_a_failure_that_took_the_caller_down_before_does_so_again():
    broken = ("w", call("A", call("B", failed=True), failed=True))

    assert lost(PLAIN, [broken, *[GOOD] * 20], "B") == 20


def test_where_both_were_seen_the_share_absorbed_decides():
    survived, broken = (
        ("w", call("A", call("B", failed=True))),
        ("w", call("A", call("B", failed=True), failed=True)),
    )

    count = lost(PLAIN, [survived, survived, survived, broken, *[GOOD] * 1_000], "B")
    assert 200 < count < 300  # a quarter of 1,000, give or take 3.7 standard deviations


def test_without_any_failure_on_record_the_worst_is_assumed_and_counted():
    result = simulate(PLAIN, record([GOOD] * 7), ["B"])

    assert sum(w.runs_lost for w in result.workflows) == 7
    assert result.assumptions is not None
    assert (result.assumptions.calls_failed, result.assumptions.absorption_unknown) == (7, 7)


def test_the_failures_that_absorption_rests_on_are_listed():
    survived = ("w", call("A", call("B", failed=True)))
    result = simulate(PLAIN, record([survived, *[GOOD] * 20]), ["B"])

    assert result.assumptions is not None
    assert result.assumptions.precedents == (Precedent("A", "B", absorbed=1, seen=1, calls=20),)
    note = simulation_document(result)["assumptions"]["note"]
    assert note.startswith("20 failing calls A → B were assumed to be absorbed because 1 of 1 ")


@pytest.mark.parametrize(
    ("kind", "survivors"), [(DependencyType.HANDOFF, 5), (DependencyType.MESSAGING, 0)]
)
def test_a_run_that_ended_before_its_message_was_handled_shows_no_absorption(kind, survivors):
    graph = world(needs("A", "B", kind), workflows=[workflow("w", "A")])
    runs = record(
        [
            ("w", call("A", call("B", type=kind, failed=True))),
            *[("w", call("A", call("B", type=kind)))] * 5,
        ]
    )
    unharmed = Runs(runs.runs.set_column(2, "failed", pa.array([False] * 6)), runs.calls)

    assert 5 - sum(w.runs_lost for w in simulate(graph, unharmed, ["B"]).workflows) == survivors


def test_a_successful_retry_is_no_sign_that_an_outage_would_be_absorbed():
    retried = ("w", call("A", call("B", failed=True), call("B", rescues=True)))

    assert lost(PLAIN, [retried] * 10, "B") == 10


def test_a_fallback_seen_in_the_run_itself_saves_it():
    graph = world(
        needs("A", "B"),
        needs("A", "C", calls=1),
        fallbacks=[fallback("A", "B", "C")],
        workflows=[workflow("w", "A")],
    )
    rescued = ("w", call("A", call("B", failed=True), call("C", rescues=True)))

    assert lost(graph, [rescued], "B") == 0
    assert lost(graph, [rescued], "C") == 1
    assert lost(graph, [rescued, GOOD], "B", "C") == 2


def test_a_fallback_of_another_caller_saves_nobody():
    graph = world(
        needs("A", "B"),
        needs("D", "B"),
        fallbacks=[fallback("D", "B", "C")],
        workflows=[workflow("w", "A")],
    )

    assert lost(graph, [GOOD], "B") == 1


def test_a_fallback_saves_as_often_as_it_did():
    graph = world(
        needs("A", "B"),
        fallbacks=[fallback("A", "B", "C", count=4, rescued=1)],
        workflows=[workflow("w", "A")],
    )

    assert 700 < lost(graph, [GOOD] * 1_000, "B") < 800


def test_a_fallback_that_shares_its_primarys_fate_saves_nobody():
    graph = world(
        needs("A", "B"),
        needs("B", "Host"),
        needs("C", "Host"),
        fallbacks=[fallback("A", "B", "C")],
        workflows=[workflow("w", "A")],
    )
    run = ("w", call("A", call("B", call("Host"))))

    assert lost(graph, [run], "B") == 0
    assert lost(graph, [run], "Host") == 1


def test_a_failed_rescuer_is_not_rescued_by_what_it_stood_in_for():
    graph = world(
        needs("A", "B"),
        fallbacks=[fallback("A", "B", "C"), fallback("A", "C", "B")],
        workflows=[workflow("w", "A")],
    )
    rescued = ("w", call("A", call("B", failed=True), call("C", rescues=True)))

    assert lost(graph, [rescued], "C") == 1


def test_a_component_that_fails_twice_in_a_run_costs_it_once():
    assert lost(PLAIN, [("w", call("A", call("B"), call("B")))], "B") == 1


def test_a_handoff_below_what_is_out_never_happens():
    graph = world(
        needs("A", "B"), needs("B", "C", DependencyType.HANDOFF), workflows=[workflow("w", "A")]
    )
    absorbed = ("w", call("A", call("B", failed=True)))
    run = ("w", call("A", call("B", call("C", type=DependencyType.HANDOFF))))

    assert lost(graph, [run, absorbed], "C") == 1
    assert lost(graph, [run, absorbed], "B", "C") == 0


def test_the_range_holds_the_share_and_comes_from_the_bootstrap():
    result = simulate(PLAIN, record([GOOD] * 30 + [("w", call("A"))] * 70), ["B"])

    (found,) = result.workflows
    assert found.interval is not None
    assert found.interval.method == "bootstrap"
    assert 0.2 < found.interval.low < found.share < found.interval.high < 0.4


def test_where_every_run_is_lost_the_range_still_admits_that_few_were_seen():
    few, many = (simulate(PLAIN, record([GOOD] * n), ["B"]).workflows[0].interval for n in (3, 300))

    assert few is not None
    assert many is not None
    assert few.low < 0.5
    assert many.low > 0.98
    assert few.high == many.high == 1.0


@settings(max_examples=40)
@given(made=recorded_worlds(), failed=scenarios, seed=seeds)
def test_same_seed_same_answer(made, failed, seed):
    graph, runs = made

    assert simulate(graph, runs, sorted(failed), seed=seed) == simulate(
        graph, runs, sorted(failed, reverse=True), seed=seed
    )


@settings(max_examples=40)
@given(made=recorded_worlds(), failed=scenarios, seed=seeds)
def test_only_callers_are_hit_and_each_path_is_made_of_calls(made, failed, seed):
    graph, runs = made
    calls = {(c["source"], c["target"]) for c in runs.calls.to_pylist()}

    for c in simulate(graph, runs, sorted(failed), seed=seed).components:
        assert c.id not in failed
        assert c.path[0].target in failed
        assert c.path[-1].source == c.id
        assert all(a.source == b.target for a, b in zip(c.path, c.path[1:], strict=False))
        assert all((s.source, s.target) in calls for s in c.path)


@settings(max_examples=40)
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


@given(ids=st.lists(st.text(max_size=12), min_size=1, max_size=20), seed=seeds)
def test_a_calls_luck_depends_on_its_own_ids_alone(ids, seed):
    def luck(names: list[str]) -> dict[str, float]:
        runs = record([GOOD] * len(names))
        spans = [name for name in names for _ in range(2)]
        place = runs.calls.schema.get_field_index("span_id")
        calls = runs.calls.set_column(place, "span_id", pa.array(spans))
        calls = calls.set_column(
            calls.schema.get_field_index("trace_id"), "trace_id", pa.array(["t"] * len(spans))
        )
        return dict(
            zip(
                spans,
                recording(PLAIN, Runs(runs.runs, calls), seed=seed).absorb_draw.tolist(),
                strict=True,
            )
        )

    together = luck(ids)
    assert together == luck(ids[::-1])
    assert all(0 <= draw < 1 for draw in together.values())
    assert luck([ids[0]])[ids[0]] == together[ids[0]]


def test_luck_is_evenly_spread():
    draws = recording(PLAIN, record([GOOD] * 5_000), seed=1)

    for found in (draws.absorb_draw, draws.rescue_draw):
        assert np.histogram(found, bins=10, range=(0, 1))[0] == pytest.approx(
            np.full(10, 1_000), abs=120
        )
    assert abs(np.corrcoef(draws.absorb_draw, draws.rescue_draw)[0, 1]) < 0.05


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
