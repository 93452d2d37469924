"""Latency histograms that merge: four buckets per doubling, read off the bits of a double."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHIFT = 50  # keeps the exponent and two bits of the mantissa


def buckets(durations: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each duration's bucket (ns; negative durations count as 0): equal width within a doubling, 25 % wide at most."""
    return np.maximum(durations, 0).astype(np.float64).view(np.int64) >> _SHIFT


def bounds(bucket: int) -> tuple[float, float]:
    """Return a bucket's lower and upper bound in ns."""
    edges = np.array([bucket << _SHIFT, (bucket + 1) << _SHIFT], dtype=np.int64).view(np.float64)
    return float(edges[0]), float(edges[1])


def quantile(histogram: Iterable[tuple[int, int]], q: float) -> float | None:
    """Return the q-quantile in ns (the middle of the bucket that holds it, so within 12.5 %), or None where nothing was seen."""
    rows = sorted(histogram)
    rank = q * sum(count for _, count in rows)
    for bucket, count in rows:
        rank -= count
        if rank <= 0 and count:
            low, high = bounds(bucket)
            return (low + high) / 2 if bucket else 0.0
    return None
