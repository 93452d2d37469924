"""Checks: a measured signal, the threshold that it must keep, and what it was in the window."""

from __future__ import annotations

from math import ceil, isfinite

from agentguard.graph.latency import Histogram, bounds, quantile, quantile_bucket
from agentguard.graph.significance import compare_p95, wilson
from agentguard.simulation.wording import percent

CHECK_SECONDS = 600
CHECK_CALLS = 20
"""Where fewer calls than this are usual in ten minutes, so many are awaited."""
_MOSTLY_FAILING = 0.5


def error_check(subject: str, errors: int, total: int, noun: str, seconds: float | None) -> str:
    """Return the check of a share of failures.

    The threshold is the upper end of the 95 % Wilson interval of the window's share, so that what
    was usual passes. `seconds`: length of the window; None: unknown.
    """
    if not total:
        return (
            f"{subject}: no {noun} in the window to compare with; the next {CHECK_CALLS} succeed."
        )
    share = errors / total
    was = f"it was {percent(share)} % ({errors} of {total} {noun}) in the window"
    if share > _MOSTLY_FAILING:
        return f"{subject} well below {percent(share)} %: {was}, which may hold this failure."
    limit, period = _limit(errors, total), _period(total, noun, seconds)
    if _says_little(errors, total):
        few = f"only {total} {noun} in the window, {errors} failed"
        return f"{subject} not above {limit} over {period} ({few})."
    return f"{subject} under {limit} over {period}; {was}."


def failure_check(name: str | None, errors: int, total: int) -> str:
    """Return the error share above which it is a failure: the threshold of `error_check`.

    No share counts as failing and as recovered at once. `name`: None where it is clear.
    """
    share = errors / total
    subject = "the error share" if name is None else f"the error share of {name}"
    usual = f"usual: {percent(share)} %, {errors} of {total} calls in the window"
    if share > _MOSTLY_FAILING:
        return f"{subject} is not well below {percent(share)} % ({usual})"
    return f"{subject} is above {_limit(errors, total)} ({usual})"


def _limit(errors: int, total: int) -> str:
    """Return the largest share of failures that is usual, by so many calls."""
    if _says_little(errors, total):
        return f"{percent(errors / total)} %"
    return f"{_ceiling(100 * wilson(errors, total)[1])} %"


def _says_little(errors: int, total: int) -> bool:
    """Return whether the calls are too few to rule out that most of them usually fail."""
    return wilson(errors, total)[1] > _MOSTLY_FAILING


def latency_check(subject: str, latency: Histogram, seconds: float | None) -> str:
    """Return the check of a p95, whose threshold is the upper end of its 95 % interval."""
    rows = tuple(latency)
    was, count = quantile(rows, 0.95), sum(n for _, n in rows)
    if was is None:
        return f"p95 of {subject}: no duration in the window to compare with."
    upper = compare_p95(rows, rows).before.high
    bucket = quantile_bucket(rows, 0.95)
    limit = upper if isfinite(upper) else bounds(bucket or 0)[1]
    period = _period(count, "calls", seconds)
    return f"p95 of {subject} under {_duration(limit)} over {period}; it was {_duration(was)}."


def calls_check(subject: str, calls: int, runs: int) -> str:
    """Return the check of the number of calls per run."""
    if not (calls and runs):
        return f"Calls per run of {subject}: none in the window to compare with."
    usual = f"{calls / runs:.1f}"
    return f"Calls per run of {subject} near {usual}: {calls} calls in {runs} runs in the window."


def _period(total: int, noun: str, seconds: float | None) -> str:
    if not seconds or total * CHECK_SECONDS / seconds < CHECK_CALLS:
        return f"the next {CHECK_CALLS} {noun}"
    return f"{CHECK_SECONDS // 60} min"


def _ceiling(value: float) -> str:
    """Return a percentage, rounded up: to the tenth below ten, else to the unit."""
    return f"{ceil(10 * value) / 10:g}" if value < 10 else f"{ceil(value)}"


def _duration(ns: float) -> str:
    """Return a duration with two significant digits."""
    value, unit = (ns / 1e9, "s") if ns >= 1e9 else (ns / 1e6, "ms")
    return f"{float(f'{value:.2g}'):g} {unit}"
