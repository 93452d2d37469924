"""Runs that a guardrail stopped, or that wait for a person: neither succeeded nor failed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agentguard.compute.arrays import hash_rows
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.kinds import Stop
from agentguard.discovery.partial import I64, U64
from agentguard.discovery.span_state import SpanState

_ATTEMPTS = (Role.AGENT, Role.MODEL, Role.TOOL, Role.MCP_CLIENT, Role.MCP_SERVER)
_EXCEPTIONS = ("exception.type", "error.type")


def excuse_stopped(s: SpanState) -> None:
    """Mark spans as not failed that only pass on a stop below them as an error.

    Such a span gives no exception of its own, and nothing below it failed after the stop began.
    """
    stops = np.flatnonzero(s.stops())
    if not len(stops):
        return
    traces = _traces(s)
    failed = np.flatnonzero(s.failed & np.isin(traces, traces[stops]))
    latest = _latest_failures(s, failed)
    for row in stops.tolist():
        above = int(s.parent[row])
        while above >= 0 and not _has_failed_itself(s, above, latest, int(s.start[row])):
            s.failed[above] = False
            above = int(s.parent[above])


def stops_of_runs(s: SpanState, starts: I64) -> NDArray[np.int8]:
    """Return how the runs that these spans start were stopped, as Stop.

    The last stop of the span's trace counts, unless a call started after it.
    """
    stops = s.stops()
    marked = np.flatnonzero(stops)
    if not len(marked):
        return np.zeros(len(starts), np.int8)
    traces = _traces(s)
    last = {int(traces[row]): row for row in marked[np.argsort(s.end[marked], kind="stable")]}
    attempts = s.rows(*_ATTEMPTS)
    for row in attempts[np.isin(traces[attempts], list(last))]:
        trace = int(traces[row])
        if trace in last and s.start[row] > s.end[last[trace]]:
            del last[trace]
    ended = {trace: int(stops[row]) for trace, row in last.items()}
    return np.array([ended.get(trace, Stop.NONE) for trace in traces[starts].tolist()], np.int8)


def _has_failed_itself(s: SpanState, row: int, latest: dict[int, int], stopped: int) -> bool:
    if not s.failed[row]:
        return False
    own = any(key in _EXCEPTIONS for key, _ in s.classification(row).attributes)
    return own or latest.get(row, -1) > stopped


def _latest_failures(s: SpanState, failed: I64) -> dict[int, int]:
    """Return, for spans above others that failed without a failed child, the latest's start."""
    with_failed_child = set(s.parent[failed].tolist())
    latest: dict[int, int] = {}
    for row in failed.tolist():
        above, start = int(s.parent[row]), int(s.start[row])
        while row not in with_failed_child and above >= 0 and latest.get(above, -1) < start:
            latest[above] = start
            above = int(s.parent[above])
    return latest


def _traces(s: SpanState) -> U64:
    return hash_rows(s.tree.trace[:, 0], s.tree.trace[:, 1])
