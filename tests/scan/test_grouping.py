"""Groups are of bounded size, and stay while traces arrive and expire at their ends."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from agentguard.scan.grouping import boundaries, group_of, times

MOST = 100
NONE = np.zeros(0, np.int64)
TRACES = st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 20)), min_size=1, max_size=400)


def arrays(traces: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    time, spans = zip(*traces, strict=True)
    return np.array(time, np.int64), np.array(spans, np.int64)


@given(traces=TRACES, known=st.sets(st.integers(0, 10_000)))
@example(traces=[(0, 20)] * 6 + [(1, 1)], known=set())
@example(traces=[(0, 10)] + [(1, 20)] * 6, known=set())
def test_groups_that_can_be_split_are_small(traces, known) -> None:
    time, spans = arrays(traces)

    bounds = boundaries(time, spans, np.array(sorted(known), np.int64), MOST)

    group = group_of(time, bounds)
    sizes = np.bincount(group, spans, len(bounds) + 1)
    for large in np.flatnonzero(sizes > MOST):
        assert len(set(time[group == large].tolist())) == 1


@given(starts=st.sets(st.integers(0, 10_000), min_size=1, max_size=400))
def test_groups_of_the_same_traces_stay(starts) -> None:
    time, spans = np.array(sorted(starts)), np.ones(len(starts), np.int64)
    first = boundaries(time, spans, NONE, MOST)

    assert np.array_equal(
        group_of(time, boundaries(time, spans, first, MOST)), group_of(time, first)
    )


def test_traces_that_arrive_last_change_only_the_last_group() -> None:
    time, bounds = np.arange(1_000), NONE
    spans = np.full(1_000, 10)
    for count in range(900, 1_000):
        before, bounds = bounds, boundaries(time[:count], spans[:count], bounds, MOST)

        assert set(before[:-1].tolist()) <= set(bounds.tolist())


def test_traces_that_start_together_can_be_separated() -> None:
    time = times(np.zeros(10_000, np.int64), np.arange(10_000, dtype=np.uint64))

    bounds = boundaries(time, np.ones(10_000, np.int64), NONE, MOST)

    assert np.bincount(group_of(time, bounds)).max() <= MOST


def test_the_latest_possible_start_has_a_time() -> None:
    assert times(np.array([2**63 - 1]), np.array([7], np.uint64)) > 0
