"""Quantiles show no more than the histogram knows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agentguard.graph.latency import RELATIVE_WIDTH, bounds, buckets, quantile, quantile_bucket

durations = st.integers(1, 10**15)


def bucket_of(duration: int) -> int:
    return int(buckets(np.array([duration]))[0])


@given(durations)
def test_a_quantile_has_two_significant_digits_and_lies_in_its_bucket(duration: int) -> None:
    bucket = bucket_of(duration)
    low, high = bounds(bucket)

    found = quantile([(bucket, 1)], 0.5)

    assert found is not None
    assert found == float(f"{found:.2g}")
    assert low <= found <= high


@given(durations)
def test_no_bucket_is_wider_than_the_stated_resolution(duration: int) -> None:
    low, high = bounds(bucket_of(duration))

    assert high - low <= RELATIVE_WIDTH * low


@given(st.lists(durations, min_size=1, max_size=50), st.sampled_from([0.5, 0.95, 0.99]))
def test_the_bucket_of_a_quantile_holds_the_measured_one(seen: list[int], q: float) -> None:
    histogram = [(bucket_of(duration), 1) for duration in seen]

    rank = max(int(np.ceil(q * len(seen))) - 1, 0)
    assert quantile_bucket(histogram, q) == bucket_of(sorted(seen)[rank])


def test_nothing_measured_has_no_quantile() -> None:
    assert quantile([], 0.5) is None
