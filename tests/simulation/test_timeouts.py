"""Which calls time out if a component becomes slower."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from agentguard.graph.latency import buckets
from agentguard.graph.runs import CALL_SCHEMA, Runs
from agentguard.simulation.timeouts import seen_timeout, slow_pairs
from tests.simulation.worlds import call, needs, record, world

MS = 1_000_000
GRAPH = world(needs("A", "B"))


def with_durations(runs: Runs, durations: list[int], failed: Sequence[int] = ()) -> Runs:
    rows = runs.calls.to_pylist()
    for row, (values, duration) in enumerate(zip(rows, durations, strict=True)):
        values["duration"] = duration * MS
        values["failed"] = row in failed
    return Runs(runs.runs, pa.Table.from_pylist(rows, CALL_SCHEMA))


def two_runs() -> Runs:
    return record([("w", call("A", call("B"))), ("w", call("A", call("B")))])


@pytest.mark.parametrize(
    ("failures", "longest", "timeout"),
    [
        ([], 10, None),
        ([30], 10, None),  # one may have failed for any reason
        ([30, 31], 10, 30),
        ([30, 60], 10, None),  # not one timeout
        ([3, 5], 10, None),  # shorter than a success
        ([3, 30, 33], 10, 30),
    ],
)
def test_a_timeout_shows_in_several_failures_longer_than_every_success(failures, longest, timeout):
    assert seen_timeout(np.array(failures, dtype=np.int64), longest) == timeout


def test_an_unknown_timeout_is_said_to_be_unknown_and_costs_nothing_for_certain():
    runs = with_durations(two_runs(), [100, 10, 100, 20])

    [pair] = slow_pairs(GRAPH, runs, {"B": 3.0})

    assert (pair.timeout, pair.longest, pair.sure) == (None, 0.02, 0.0)
    assert pair.possible == 1.0  # 30 and 60 ms are longer than any success


def test_only_calls_longer_than_any_success_may_time_out():
    runs = with_durations(two_runs(), [100, 10, 100, 30])

    [pair] = slow_pairs(GRAPH, runs, {"B": 2.0})

    assert pair.possible == 0.5  # 60 ms is longer than any success, 20 ms is not


def test_calls_beyond_a_known_timeout_fail():
    made = [("w", call("A", call("B"))) for _ in range(4)]
    runs = with_durations(record(made), [100, 10, 100, 20, 100, 50, 100, 52], failed=[5, 7])

    [pair] = slow_pairs(GRAPH, runs, {"B": 3.0})

    assert pair.timeout == 0.05
    assert pair.sure == pair.possible == 0.5  # 60 ms exceed it, 30 ms do not


def test_a_declared_timeout_counts_whatever_was_seen():
    made = [("w", call("A", call("B"))) for _ in range(4)]
    runs = with_durations(record(made), [100, 10, 100, 20, 100, 50, 100, 52], failed=[5, 7])

    [short] = slow_pairs(GRAPH, runs, {"B": 3.0}, {"A": 0.025})
    [long] = slow_pairs(GRAPH, runs, {"B": 3.0}, {"A": 9.0, "B": 0.001})

    assert (short.timeout, short.sure, short.possible) == (0.025, 1.0, 1.0)
    assert (long.timeout, long.sure, long.possible) == (9.0, 0.0, 0.0)


def test_a_declared_timeout_counts_without_recorded_runs_too():
    few, many = (int(bucket) for bucket in buckets(np.array([10 * MS, 40 * MS])))
    graph = world(needs("A", "B", latency=((few, 1), (many, 1))))

    [pair] = slow_pairs(graph, None, {"B": 2.0}, {"A": 0.05})

    assert pair.timeout == 0.05
    assert pair.sure == pair.possible == 0.5


def test_a_caller_that_waits_is_slower_too():
    runs = with_durations(record([("w", call("A", call("B", call("C"))))]), [100, 50, 10])

    found = {(p.source, p.target): p for p in slow_pairs(GRAPH, runs, {"C": 4.0})}

    assert found.keys() == {("A", "B"), ("B", "C")}
    assert found["A", "B"].longest == 0.05


def test_the_factor_covers_what_a_slow_component_calls():
    runs = with_durations(record([("w", call("A", call("B", call("C"))))]), [100, 50, 40])

    found = {(p.source, p.target) for p in slow_pairs(GRAPH, runs, {"B": 2.0})}

    assert found == {("A", "B")}


def test_without_runs_the_histogram_tells_what_may_time_out():
    bucket = [int(b) for b in buckets(np.array([10 * MS, 40 * MS]))]
    graph = world(needs("A", "B", latency=((bucket[0], 3), (bucket[1], 1))))

    [pair] = slow_pairs(graph, None, {"B": 2.0})

    assert pair.timeout is None
    assert pair.possible == 0.25
    assert pair.longest == pytest.approx(0.04, rel=0.25)


def test_without_any_duration_every_call_may_time_out():
    [pair] = slow_pairs(GRAPH, None, {"B": 2.0})

    assert (pair.timeout, pair.longest, pair.possible) == (None, None, 1.0)
