"""Runs that waited for a person and went on in another trace."""

from __future__ import annotations

import numpy as np

from agentguard.discovery.kinds import Stop
from agentguard.discovery.partial import I64, Calls, Mask, Partial


def resumed_runs(partial: Partial) -> Mask:
    """Return which rows start a run that waited, and that a later run resumed.

    The later run is of the same conversation, or links to the trace in which the run waited.
    """
    calls = partial.calls
    found = np.zeros(len(calls), np.bool_)
    waiting = np.flatnonzero((calls.stop == Stop.PERSON) & (calls.entry >= 0))
    if len(waiting):
        found[waiting] = _continued(calls, waiting) | _linked(partial, waiting)
    return found


def _continued(calls: Calls, waiting: I64) -> Mask:
    """Return which of the rows a later run of the same conversation follows."""
    runs = np.flatnonzero((calls.entry >= 0) & (calls.conversation != 0))
    named, inverse = np.unique(calls.conversation[runs], return_inverse=True)
    latest = np.full(len(named) + 1, np.iinfo(np.int64).min)
    np.maximum.at(latest, inverse, calls.start[runs])
    place = np.searchsorted(named, calls.conversation[waiting])
    known = calls.conversation[waiting] != 0
    followed: Mask = known & (latest[np.where(known, place, -1)] > _end(calls, waiting))
    return followed


def _linked(partial: Partial, waiting: I64) -> Mask:
    """Return which of the rows a later run links to, not by a message."""
    calls = partial.calls
    latest: dict[tuple[int, int], int] = {}
    for link in partial.link_starts:
        if not link.messaging:
            start = int(calls.start[link.row])
            latest[link.to_trace] = max(start, latest.get(link.to_trace, start))
    traces = map(tuple, calls.trace[waiting].tolist())
    last = [latest.get(trace, -1) for trace in traces]
    return np.array(last, np.int64) > _end(calls, waiting)


def _end(calls: Calls, rows: I64) -> I64:
    ends: I64 = calls.start[rows] + np.maximum(calls.duration[rows], 0)
    return ends
