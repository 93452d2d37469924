"""Runs that a guardrail stopped, or that wait for a person: neither succeeded nor failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from agentguard.compute.arrays import hash_rows
from agentguard.discovery.kinds import Stop
from agentguard.discovery.outcomes import ATTEMPTS
from agentguard.discovery.partial import I64, U64
from agentguard.discovery.span_state import SpanState

_EXCEPTIONS = ("exception.type", "error.type")


def clear_errors_above_stops(s: SpanState) -> None:
    """Mark spans as not failed whose error is only that something below them was stopped.

    They give no exception of their own, and nothing below them that began after the stop failed.
    """
    stops = np.flatnonzero(s.stops())
    if not len(stops):
        return
    traces = _traces(s)
    failed = np.flatnonzero(s.failed & np.isin(traces, traces[stops]))
    latest = _latest_failures(s, failed)
    passed: set[int] = set()
    for row in stops[np.argsort(-s.end[stops], kind="stable")].tolist():
        above = int(s.parent[row])
        while above >= 0 and above not in passed:
            failed_later = _gives_exception(s, above) or latest.get(above, -1) > s.end[row]
            if s.failed[above] and failed_later:
                break
            s.failed[above] = False
            passed.add(above)
            above = int(s.parent[above])


def stops_of_runs(s: SpanState, starts: I64) -> NDArray[np.int8]:
    """Return how the runs that these spans start were stopped, as Stop.

    The last stop in the run counts, unless a call started after it, or the run went on although a
    guardrail had raised an exception.
    """
    stops = s.stops()
    found = np.zeros(len(starts), np.int8)
    marked = np.flatnonzero(stops)
    if not len(marked) or not len(starts):
        return found
    raised = s.tree.spans.column("failed").to_numpy(zero_copy_only=False)
    runs = _Runs(s, starts)
    for row in reversed(_last_stops(s, marked)):
        caught = stops[row] == Stop.GUARDRAIL and raised[row]
        for n, start in runs.above(row):
            if not (caught and start < len(raised) and not raised[start]):
                found[n] = stops[row]
    return found


def conversations_of_runs(s: SpanState, starts: I64) -> U64:
    """Return the digest of the conversation of the runs that these spans start; 0: unknown.

    That is the first one that a span of their trace names.
    """
    named = s.ids("conversation")
    rows = np.flatnonzero(named)
    found = np.zeros(len(starts), np.uint64)
    if not len(rows) or not len(starts):
        return found
    traces = _traces(s)
    rows = rows[np.lexsort((rows, s.start[rows], traces[rows]))]
    first = np.append(True, traces[rows[1:]] != traces[rows[:-1]])
    rows = rows[first]
    place = np.minimum(np.searchsorted(traces[rows], traces[starts]), len(rows) - 1)
    return np.where(traces[rows[place]] == traces[starts], named[rows[place]], found)


def _last_stops(s: SpanState, marked: I64) -> list[int]:
    """Return the stops, in order of their ends, after which no call of their trace started."""
    traces = _traces(s)
    attempts = s.rows(*ATTEMPTS)
    attempts = attempts[np.isin(traces[attempts], traces[marked])]
    started: dict[int, int] = defaultdict(int)
    for trace, start in zip(traces[attempts].tolist(), s.start[attempts].tolist(), strict=True):
        started[trace] = max(started[trace], start)
    ordered = marked[np.argsort(s.end[marked], kind="stable")]
    return [row for row in ordered.tolist() if started[int(traces[row])] <= s.end[row]]


class _Runs:
    """Finds the runs that spans belong to; each span above them is passed once."""

    def __init__(self, s: SpanState, starts: I64) -> None:
        self._s, self._passed = s, set[int]()
        self._starts = {row: n for n, row in enumerate(starts.tolist())}
        self._of_trace: dict[int, list[int]] = defaultdict(list)
        self._traces = _traces(s)
        for row in self._starts:
            self._of_trace[int(self._traces[row])].append(row)

    def above(self, row: int) -> Iterator[tuple[int, int]]:
        """Yield number and start of the runs around the span that no call has yielded before.

        Without any, that is the only run of its trace.
        """
        beside = self._of_trace[int(self._traces[row])]
        at = beside[0] if len(beside) == 1 else row
        while at >= 0 and at not in self._passed:
            self._passed.add(at)
            if at in self._starts:
                yield self._starts[at], at
            at = int(self._s.parent[at])


def _gives_exception(s: SpanState, row: int) -> bool:
    return any(key in _EXCEPTIONS for key, _ in s.classification(row).attributes)


def _latest_failures(s: SpanState, failed: I64) -> dict[int, int]:
    """Return the latest start of a failed span below each failed one that has any."""
    latest: dict[int, int] = {}
    for row in failed[np.argsort(-s.start[failed], kind="stable")].tolist():
        above, start = int(s.parent[row]), int(s.start[row])
        while above >= 0 and above not in latest:
            latest[above] = start
            above = int(s.parent[above])
    return latest


def _traces(s: SpanState) -> U64:
    return hash_rows(s.tree.trace[:, 0], s.tree.trace[:, 1])
