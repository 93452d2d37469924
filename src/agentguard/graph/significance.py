"""Whether two measurements differ by more than chance and resolution explain."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil, inf, sqrt

from agentguard.graph.latency import Histogram, bounds, quantile, quantile_bucket, rank_bucket

Z95 = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""

FEW = 30
"""With fewer observations on a side, a difference that is not significant is reported as undecided
instead of as no difference.
"""

ERROR_SHARE_RULE = (
    "A share of failures has changed where the 95% Wilson score intervals of both sides do not"
    f" overlap. With fewer than {FEW} observations on a side, other differences are undecided."
)
P95_RULE = (
    "A p95 has changed where the 95% confidence intervals of both sides (from order statistics)"
    " do not overlap and the two lie at least two histogram buckets apart (a bucket is at most"
    " 25 % wide). Where a side has too few observations to bound its p95, it is undecided."
)

_P95 = 0.95
_CERTAIN_BUCKETS = 2
"""Values in neighbouring buckets may be as close as can be."""


class Verdict(StrEnum):
    """What can be said about a difference."""

    SAME = "same"
    CHANGED = "changed"
    UNDECIDED = "undecided"
    """There is a difference, but too few observations to call it a change."""


class Measure(StrEnum):
    """What is compared."""

    ERROR_SHARE = "error_share"
    P95_MS = "p95_ms"


@dataclass(frozen=True, slots=True)
class Side:
    """A measurement: its value, the interval that holds it with 95% confidence, its count."""

    value: float | None
    """A share (0 to 1), or ns; None where nothing was measured."""
    low: float
    high: float
    """Infinite where the observations do not bound it."""
    observations: int
    failed: int | None = None
    """Of the observations; None where this is no share."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure on both sides."""

    measure: Measure
    before: Side
    after: Side
    verdict: Verdict


def wilson(hits: float, trials: float) -> tuple[float, float]:
    """Return the 95% Wilson score interval of a share (Wilson 1927); (0, 1) without trials."""
    if trials <= 0:
        return 0.0, 1.0
    share, spread = hits / trials, Z95**2 / trials
    centre = (share + spread / 2) / (1 + spread)
    half = Z95 * sqrt(share * (1 - share) / trials + spread / (4 * trials)) / (1 + spread)
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    return low, 1.0 if hits == trials else min(1.0, centre + half)


def compare_error_shares(before: tuple[int, int], after: tuple[int, int]) -> Comparison:
    """Compare two shares of failures, each given as (failed, observed)."""
    a, b = _share(*before), _share(*after)
    if a.value == b.value or a.value is None or b.value is None:
        verdict = Verdict.SAME
    elif _apart(a, b):
        verdict = Verdict.CHANGED
    else:
        few = min(a.observations, b.observations) < FEW
        verdict = Verdict.UNDECIDED if few else Verdict.SAME
    return Comparison(Measure.ERROR_SHARE, a, b, verdict)


def compare_p95(before: Histogram, after: Histogram) -> Comparison:
    """Compare the 95th percentiles of two latency histograms."""
    a, b = _p95(before), _p95(after)
    if _buckets_between(before, after) < _CERTAIN_BUCKETS:
        verdict = Verdict.SAME
    elif _apart(a, b):
        verdict = Verdict.CHANGED
    else:
        verdict = Verdict.UNDECIDED if inf in (a.high, b.high) else Verdict.SAME
    return Comparison(Measure.P95_MS, a, b, verdict)


def _buckets_between(before: Histogram, after: Histogram) -> int:
    a, b = quantile_bucket(before, _P95), quantile_bucket(after, _P95)
    return 0 if a is None or b is None else abs(a - b)


def _share(failed: int, observed: int) -> Side:
    failed = min(failed, observed)
    low, high = wilson(failed, observed)
    return Side(failed / observed if observed else None, low, high, observed, failed)


def _p95(histogram: Histogram) -> Side:
    """Return the p95 between the order statistics of ranks nq ± z √(nq(1 - q)), rounded up.

    Source: Conover, Practical Nonparametric Statistics (1999), §3.2.
    """
    count = sum(n for _, n in histogram)
    spread = Z95 * sqrt(count * _P95 * (1 - _P95))
    low, high = ceil(count * _P95 - spread), ceil(count * _P95 + spread)
    return Side(
        quantile(histogram, _P95),
        _bounds(histogram, low)[0] if low >= 1 else 0.0,
        _bounds(histogram, high)[1],
        count,
    )


def _bounds(histogram: Histogram, rank: int) -> tuple[float, float]:
    bucket = rank_bucket(histogram, rank)
    return (inf, inf) if bucket is None else bounds(bucket)


def _apart(a: Side, b: Side) -> bool:
    return a.high < b.low or b.high < a.low
