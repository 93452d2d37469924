"""Windows of event time: which traces belong to one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.compute.arrays import distinct, mix, words
from agentguard.kernel.errors import InvalidInputError
from agentguard.traces.trace_ids import with_whole_ids

I64 = NDArray[np.int64]
_LATEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """From `since` up to, and without, `until`; ns since the epoch, None where a side is open.

    A trace belongs, whole, to the window in which it starts: no edge is cut at a border, and
    neighbouring windows add up. It starts with its root span, or with its earliest span where the
    root is not there; a trace without any time belongs to none.
    """

    since: int | None = None
    until: int | None = None

    def select(self, spans: pa.Table) -> pa.Table:
        """Return the spans (SPAN_SCHEMA) of the traces that belong here.

        The table must hold its traces whole.
        """
        if not len(spans):
            return spans
        spans = with_whole_ids(spans)
        trace, first = _traces(spans)
        starts = _starts(spans, trace, len(first))
        return spans.filter(pa.array(self.holds(starts)[trace]))

    def overlaps(self, start: int, end: int) -> bool:
        """Say whether a time from `start` up to, and without, `end` can lie in the window."""
        return (self.since is None or end > self.since) and (
            self.until is None or start < self.until
        )

    def holds(self, starts: I64) -> NDArray[np.bool_]:
        """Say which times lie in the window.

        Every trace that belongs here has a span that starts in it.
        """
        held: NDArray[np.bool_] = (starts > 0) & (starts < _LATEST)
        if self.since is not None:
            held &= starts >= self.since
        if self.until is not None:
            held &= starts < self.until
        return held


def _traces(spans: pa.Table) -> tuple[I64, I64]:
    trace = words(spans.column("trace_id"), 16)
    return distinct(mix(trace[:, 0], trace[:, 1]))


def _starts(spans: pa.Table, trace: I64, count: int) -> I64:
    """Return each trace's start: its earliest root's, else its earliest span's.

    0 where no span has a time.
    """
    start = spans.column("start").to_numpy()
    root = words(spans.column("parent_id"), 8)[:, 0] == 0
    starts = _earliest(start, trace, start > 0, count)
    of_roots = _earliest(start, trace, root & (start > 0), count)
    return np.where(of_roots < _LATEST, of_roots, np.where(starts < _LATEST, starts, 0))


def _earliest(start: I64, trace: I64, which: NDArray[np.bool_], count: int) -> I64:
    earliest = np.full(count, _LATEST, np.int64)
    np.minimum.at(earliest, trace[which], start[which])
    return earliest


class TimeWindowError(InvalidInputError):
    """The arguments describe no window of time."""

    code = "bad-time-window"


def time_window(
    *, since: int | None = None, until: int | None = None, lookback: int | None = None
) -> TimeWindow:
    """Return the window between two moments (ns since the epoch), or the `lookback` (ns) before
    `until`.

    Raises TimeWindowError where an argument is not positive, the end is not after the start, or too
    many or too few are given.
    """
    for name, value in (("since", since), ("until", until), ("lookback", lookback)):
        if value is not None and value <= 0:
            told = (
                "is no time at all: give a longer one"
                if name == "lookback"
                else "must be later than the start of 1970"
            )
            raise TimeWindowError(f"The window's {name} {told}.")
    if lookback is not None:
        if since is not None:
            raise TimeWindowError(
                "A window has a start or a lookback, not both: leave out since or lookback."
            )
        if until is None:
            raise TimeWindowError(
                "A lookback needs the moment that it looks back from: give until."
            )
        since = max(until - lookback, 1)
    if since is not None and until is not None and until <= since:
        raise TimeWindowError("The window ends before it begins: until must be later than since.")
    return TimeWindow(since, until)
