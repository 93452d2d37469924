"""Latency histograms that merge: four buckets per doubling, taken from the bits of a double."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agentguard.compute.arrays import factorize_rows

Histogram: TypeAlias = tuple[tuple[int, int], ...]
"""(bucket, count), ascending."""

RELATIVE_WIDTH = 0.25
"""How much longer than the lower bound of its bucket a duration is at most: 25 %."""

_SHIFT = 50  # keeps the exponent and two bits of the mantissa


def buckets(durations: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bucket of each duration (ns); a negative duration counts as 0.

    The four buckets of a doubling are equally wide, so each is at most 25 % wide.
    """
    return np.maximum(durations, 0).astype(np.float64).view(np.int64) >> _SHIFT


def histograms(
    durations: NDArray[np.int64], group: NDArray[np.int64], size: int
) -> list[Histogram]:
    """Return the histogram of the durations (ns) of each group, 0 to size - 1."""
    bucket = buckets(durations)
    codes, first = factorize_rows(group, bucket)
    found: list[list[tuple[int, int]]] = [[] for _ in range(size)]
    for g, b, count in zip(
        group[first].tolist(), bucket[first].tolist(), np.bincount(codes).tolist(), strict=True
    ):
        found[g].append((b, count))
    return [tuple(sorted(histogram)) for histogram in found]


def bounds(bucket: int) -> tuple[float, float]:
    """Return the lower and upper bound of a bucket in ns."""
    edges = np.array([bucket << _SHIFT, (bucket + 1) << _SHIFT], dtype=np.int64).view(np.float64)
    return float(edges[0]), float(edges[1])


def quantile_bucket(histogram: Iterable[tuple[int, int]], q: float) -> int | None:
    """Return the bucket that holds the q-quantile; None for an empty histogram."""
    rows = list(histogram)
    return rank_bucket(rows, q * sum(count for _, count in rows))


def rank_bucket(histogram: Iterable[tuple[int, int]], rank: float) -> int | None:
    """Return the bucket of the rank-th shortest duration, from 1; None where there is none."""
    for bucket, count in sorted(histogram):
        rank -= count
        if rank <= 0 and count:
            return bucket
    return None


def quantile(histogram: Iterable[tuple[int, int]], q: float) -> float | None:
    """Return the q-quantile in ns, to two significant digits; None for an empty histogram.

    It is the middle of the bucket that holds the quantile, rounded. The rounded value lies in the
    same bucket, so it is within 25 % of the measured one; a third digit would say nothing.
    """
    bucket = quantile_bucket(histogram, q)
    if bucket is None:
        return None
    low, high = bounds(bucket)
    return float(f"{(low + high) / 2:.2g}") if bucket else 0.0
