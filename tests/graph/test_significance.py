"""A difference is a change only where counts and resolution allow it to be called one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.graph.latency import Histogram, bounds, histograms
from agentguard.graph.significance import (
    Comparison,
    Verdict,
    compare_error_shares,
    compare_p95,
    wilson,
)

counts = st.integers(0, 2000).flatmap(
    lambda observed: st.tuples(st.integers(0, observed), st.just(observed))
)
latencies = st.lists(st.integers(1, 10**10), max_size=200).map(lambda ns: histogram(*ns))


def histogram(*durations: int) -> Histogram:
    times = np.array(durations, np.int64)
    return histograms(times, np.zeros(len(times), np.int64), 1)[0]


def mirrored(c: Comparison) -> Comparison:
    return Comparison(c.measure, c.after, c.before, c.verdict)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ((1, 100), (30, 100), Verdict.CHANGED),
        ((1, 100), (2, 100), Verdict.SAME),
        ((0, 1), (1, 1), Verdict.UNDECIDED),
        ((0, 0), (5, 10), Verdict.SAME),
        ((0, 5), (5, 5), Verdict.CHANGED),
    ],
)
def test_error_shares(before: tuple[int, int], after: tuple[int, int], verdict: Verdict) -> None:
    assert compare_error_shares(before, after).verdict is verdict


@given(counts, counts)
def test_an_error_share_has_changed_where_the_intervals_do_not_overlap(
    before: tuple[int, int], after: tuple[int, int]
) -> None:
    (low, high), (lower, higher) = wilson(*before), wilson(*after)

    found = compare_error_shares(before, after)

    assert (found.verdict is Verdict.CHANGED) == (high < lower or higher < low)
    assert compare_error_shares(after, before) == mirrored(found)
    assert compare_error_shares(before, before).verdict is Verdict.SAME


@given(latencies, latencies)
def test_p95s_compare_the_same_both_ways(before: Histogram, after: Histogram) -> None:
    found = compare_p95(before, after)

    assert compare_p95(after, before) == mirrored(found)
    assert compare_p95(before, before).verdict is Verdict.SAME


@given(st.integers(1000, 10**12), st.integers(1, 1000))
def test_a_p95_in_the_next_bucket_has_not_changed(duration: int, seen: int) -> None:
    ((bucket, _),) = histogram(duration)

    assert compare_p95(((bucket, seen),), ((bucket + 1, seen),)).verdict is Verdict.SAME
    assert bounds(bucket)[1] == bounds(bucket + 1)[0]


def test_a_p95_that_doubled_has_changed_where_enough_was_timed() -> None:
    slow = histogram(*[2_000_000] * 100)

    assert compare_p95(histogram(*[1_000_000] * 100), slow).verdict is Verdict.CHANGED
    assert compare_p95(histogram(*[1_000_000] * 20), slow).verdict is Verdict.UNDECIDED


@given(st.integers(0, 2**32 - 1))
def test_two_samples_of_one_distribution_seldom_differ(seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = [histogram(*rng.lognormal(15, 1, 400).astype(np.int64).tolist()) for _ in range(40)]

    changed = sum(
        compare_p95(a, b).verdict is Verdict.CHANGED
        for a, b in zip(samples[::2], samples[1::2], strict=True)
    )
    assert changed <= 2
