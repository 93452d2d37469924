"""Windows of event time, and the traces that belong to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.compute.arrays import factorize, hash_rows, words
from agentguard.kernel.errors import InvalidInputError
from agentguard.traces.trace_ids import with_full_trace_ids

I64 = NDArray[np.int64]
_MAX_TIME = 2**63 - 1


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """The half-open interval from `since` to `until`, in ns since the epoch; None leaves it open.

    A complete trace belongs to the window in which it starts: windows cut no edge, and adjacent
    windows add up. A trace starts with its root span, or with its earliest span if the root is
    missing; a trace without timestamps belongs to no window.
    """

    since: int | None = None
    until: int | None = None

    def select(self, spans: pa.Table) -> pa.Table:
        """Return the spans (SPAN_SCHEMA) of the traces that start in the window.

        The table must contain complete traces.
        """
        if not len(spans):
            return spans
        spans = with_full_trace_ids(spans)
        trace, first = _traces(spans)
        starts = _starts(spans, trace, len(first))
        return spans.filter(pa.array(self.contains(starts)[trace]))

    def overlaps(self, start: int, end: int) -> bool:
        """Return whether the interval from `start` to `end` (exclusive) overlaps the window."""
        return (self.since is None or end > self.since) and (
            self.until is None or start < self.until
        )

    def contains(self, starts: I64) -> NDArray[np.bool_]:
        """Return which times lie in the window.

        Every trace that belongs to the window has a span that starts in it.
        """
        inside: NDArray[np.bool_] = (starts > 0) & (starts < _MAX_TIME)
        if self.since is not None:
            inside &= starts >= self.since
        if self.until is not None:
            inside &= starts < self.until
        return inside


def _traces(spans: pa.Table) -> tuple[I64, I64]:
    trace = words(spans.column("trace_id"), 16)
    return factorize(hash_rows(trace[:, 0], trace[:, 1]))


def _starts(spans: pa.Table, trace: I64, count: int) -> I64:
    """Return the start of each trace: of its earliest root, else of its earliest span; else 0."""
    start = spans.column("start").to_numpy()
    root = words(spans.column("parent_id"), 8)[:, 0] == 0
    starts = _earliest(start, trace, start > 0, count)
    of_roots = _earliest(start, trace, root & (start > 0), count)
    return np.where(of_roots < _MAX_TIME, of_roots, np.where(starts < _MAX_TIME, starts, 0))


def _earliest(start: I64, trace: I64, which: NDArray[np.bool_], count: int) -> I64:
    earliest = np.full(count, _MAX_TIME, np.int64)
    np.minimum.at(earliest, trace[which], start[which])
    return earliest


class TimeWindowError(InvalidInputError):
    """The arguments do not describe a valid time window."""

    code = "bad-time-window"


def time_window(
    *, since: int | None = None, until: int | None = None, lookback: int | None = None
) -> TimeWindow:
    """Return the window between two times (ns since the epoch), or of `lookback` ns before `until`.

    Raises TimeWindowError if an argument is not positive, if the end is not after the start, or if
    the combination of arguments is invalid.
    """
    for name, value in (("since", since), ("until", until), ("lookback", lookback)):
        if value is not None and value <= 0:
            problem = (
                "must be positive" if name == "lookback" else "must be after 1970-01-01T00:00:00Z"
            )
            raise TimeWindowError(f"`{name}` {problem}.")
    if lookback is not None:
        if since is not None:
            raise TimeWindowError("Use either `since` or `lookback`, not both.")
        if until is None:
            raise TimeWindowError("`lookback` needs `until`.")
        since = max(until - lookback, 1)
    if since is not None and until is not None and until <= since:
        raise TimeWindowError("`until` must be later than `since`.")
    return TimeWindow(since, until)
