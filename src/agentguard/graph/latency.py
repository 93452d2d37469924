"""Latency histograms that merge: four buckets per doubling, read off the bits of a double."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agentguard.compute.arrays import factorize_rows

Histogram: TypeAlias = tuple[tuple[int, int], ...]
"""(bucket, count), ascending."""

_SHIFT = 50  # keeps the exponent and two bits of the mantissa


def buckets(durations: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each duration's bucket (ns.

    Negative durations count as 0): equal width within a doubling, 25 % wide at most.
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
    """Return a bucket's lower and upper bound in ns."""
    edges = np.array([bucket << _SHIFT, (bucket + 1) << _SHIFT], dtype=np.int64).view(np.float64)
    return float(edges[0]), float(edges[1])


def quantile(histogram: Iterable[tuple[int, int]], q: float) -> float | None:
    """Return the q-quantile in ns (the middle of the bucket that holds it, so within 12.5 %), or
    None where nothing was seen.
    """
    rows = sorted(histogram)
    rank = q * sum(count for _, count in rows)
    for bucket, count in rows:
        rank -= count
        if rank <= 0 and count:
            low, high = bounds(bucket)
            return (low + high) / 2 if bucket else 0.0
    return None
