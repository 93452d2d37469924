"""Role passes for calls without a recorded caller: finds the agent run that made them.

Evidence, strongest first: the agent's name on the call itself, the recorded parents, a run that
encloses the call in time, the only agent of the trace. Time decides only where no agent or tool
stands above a call, and only within one service and trace.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from agentguard.compute.arrays import factorize, hash_rows
from agentguard.discovery.classification import Classification
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.inserted_spans import insert_above
from agentguard.discovery.naming import agent_key
from agentguard.discovery.partial import I64, Proof
from agentguard.discovery.services import SERVING_ROLES
from agentguard.discovery.span_state import (
    SpanState,
    by_time,
    encloses,
    is_descendant,
    nearest_ancestor,
)

RULE = "named-by-calls"
_CALLS = (Role.MODEL, Role.TOOL, Role.MCP_CLIENT, Role.DELEGATION)
_OWNERS = (Role.AGENT, *_CALLS, Role.MCP_SERVER)
_BOUNDARIES = (*SERVING_ROLES, Role.WORKFLOW)
_MAX_CONCURRENT_RUNS = 64
"""Runs before a call that are searched for those that enclose it."""


def assign_named_calls(s: SpanState) -> None:
    """Give each call that bears an agent's name to a run of that agent, or insert one.

    A run is inserted where no agent stands above the call and none of this name runs in the trace.
    """
    rows = _named_calls(s)
    if not rows:
        return
    runs = _runs_by_name(s)
    without: dict[tuple[bytes, int, str], list[int]] = defaultdict(list)
    for row in rows:
        trace, by = s.tree.trace[row].tobytes(), agent_key(s.classification(row).by or "")
        found = runs.get((trace, s.classification(row).service, by), [])
        if found:
            _give(s, row, _nearest_run(s, found, row))
        else:
            without[trace, int(s.parent[row]), by].append(row)
    _insert_runs(s, list(without.values()))


def _give(s: SpanState, row: int, run: int) -> None:
    """Make the run the call's parent, unless the call contains it."""
    if not is_descendant(s.parent, run, row):
        s.parent[row] = run
        s.ownership[row] = Proof.ATTRIBUTE


def _named_calls(s: SpanState) -> list[int]:
    """Return the calls that bear an agent's name and that no named agent above them owns."""
    named = np.array([bool(r.by) for r in s.classifications.by_shape], np.bool_)
    rows = np.flatnonzero(named[s.classifications.shape] & np.isin(s.role, _CALLS))
    if not len(rows):
        return []
    above = nearest_ancestor(s.parent, np.isin(s.role, _OWNERS))
    return [row for row in by_time(s, rows) if _is_unowned(s, int(above[row]))]


def _is_unowned(s: SpanState, above: int) -> bool:
    """Return whether nothing above makes calls, or only an agent without a name of its own."""
    return above < 0 or (s.role[above] == Role.AGENT and not s.name(above))


def _runs_by_name(s: SpanState) -> dict[tuple[bytes, str, str], list[int]]:
    runs: dict[tuple[bytes, str, str], list[int]] = defaultdict(list)
    for row in by_time(s, s.rows(Role.AGENT)):
        if s.name(row):
            key = (
                s.tree.trace[row].tobytes(),
                s.classification(row).service,
                agent_key(s.name(row) or ""),
            )
            runs[key].append(row)
    return runs


def _nearest_run(s: SpanState, runs: list[int], row: int) -> int:
    """Return the last run that started before the call, else the first one."""
    started = bisect_right(runs, s.start[row], key=lambda run: s.start[run])
    return runs[max(started - 1, 0)]


def _insert_runs(s: SpanState, groups: list[list[int]]) -> None:
    if not groups:
        return
    first = np.array([group[0] for group in groups], np.int64)
    added = insert_above(s, first, _agent_classification)
    for run, group in zip(added.tolist(), groups, strict=True):
        s.parent[group] = run
        s.role[run] = Role.AGENT
        s.end[run] = max(s.end[group])
        s.failed[run] = s.failed[group[-1]]
        s.ownership.update(dict.fromkeys(group, Proof.ATTRIBUTE))


def _agent_classification(of: Classification) -> Classification:
    return Classification(
        role=Role.AGENT,
        service=of.service,
        environment=of.environment,
        scope=of.scope,
        span_name=of.by or "",
        route=of.by or "",
        name=of.by,
        spelling=of.by,
        explicit=True,
        rule=RULE,
        attributes=of.attributes,
    )


def assign_calls_by_time(s: SpanState) -> None:
    """Give calls that no agent or tool owns to the run that encloses them in time.

    Failing that, model and tool calls go to the only agent of their trace and service.
    """
    owner = nearest_ancestor(s.parent, np.isin(s.role, (*_OWNERS, *_BOUNDARIES)))
    lone = (owner < 0) | np.isin(s.role[owner], _BOUNDARIES)
    rows = np.flatnonzero(lone & np.isin(s.role, tuple(_CONTAINERS)))
    runs = np.flatnonzero(
        (s.role == Role.AGENT) | (lone & np.isin(s.role, (Role.TOOL, Role.MODEL)))
    )
    group = _groups(s)
    rows = rows[np.isin(group[rows], group[runs])]
    if len(rows):
        _assign_by_time(s, rows, _Beside(s, runs, owner, group))


class _Beside:
    """The runs of each trace and service, in order of start: all, and those of one owner."""

    def __init__(self, s: SpanState, runs: I64, owner: I64, group: I64) -> None:
        self._owner, self._group = owner, group
        self._every: dict[int, _Candidates] = {}
        self._owned: dict[tuple[int, int], _Candidates] = {}
        root = nearest_ancestor(s.parent, s.parent < 0)
        self.root: I64 = np.where(root >= 0, root, np.arange(len(root)))
        for run in by_time(s, runs):
            place = int(group[run])
            self._every.setdefault(place, _Candidates()).add(s, run)
            self._owned.setdefault((place, int(owner[run])), _Candidates()).add(s, run)

    def of(self, row: int, *, lost: bool) -> _Candidates:
        """Return the runs beside the call: those of its owner, or all if its parent is missing."""
        place = int(self._group[row])
        if lost:
            return self._every.get(place, _NO_CANDIDATES)
        return self._owned.get((place, int(self._owner[row])), _NO_CANDIDATES)


@dataclass(frozen=True, slots=True)
class _Candidates:
    runs: list[int] = field(default_factory=list)
    agents: list[int] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def add(self, s: SpanState, run: int) -> None:
        self.runs.append(run)
        if s.role[run] == Role.AGENT:
            self.agents.append(run)
            self.names.add(agent_key(s.name(run) or ""))


_NO_CANDIDATES = _Candidates()


def _groups(s: SpanState) -> I64:
    """Return a code for the trace and service of each span."""
    trace = s.tree.trace
    codes, _ = factorize(hash_rows(trace[:, 0], trace[:, 1], s.services().astype(np.uint64)))
    return np.asarray(codes, np.int64)


def _assign_by_time(s: SpanState, rows: I64, beside: _Beside) -> None:
    is_parent = np.zeros(len(s.role), np.bool_)
    is_parent[s.parent[s.parent >= 0]] = True
    for row in by_time(s, rows):
        lost = s.parent[row] < 0 and bool(s.tree.orphan[row])
        near = beside.of(row, lost=lost)
        found = _innermost(s, _around(s, near.runs, row))
        if found is None and s.role[row] in _CALLS and not _is_leaked(s, row):
            found = _only_agent(s, near, row, beside.root)
        if found is None or (is_parent[row] and is_descendant(s.parent, found, row)):
            continue
        s.parent[row] = found
        is_parent[found] = True
        s.ownership[row] = Proof.SIBLING


_CONTAINERS = {
    Role.MODEL: (Role.AGENT,),
    Role.TOOL: (Role.AGENT,),
    Role.MCP_CLIENT: (Role.AGENT,),
    Role.DELEGATION: (Role.AGENT,),
    Role.CLIENT: (Role.AGENT, Role.TOOL, Role.MODEL),
    Role.DATASTORE: (Role.AGENT, Role.TOOL),
    Role.PRODUCER: (Role.AGENT, Role.TOOL),
}
"""The roles that may enclose a call in time and then own it."""


def _around(s: SpanState, runs: list[int], row: int) -> list[int]:
    """Return the runs, in order of start, that enclose the call and may own it."""
    started = bisect_right(runs, s.start[row], key=lambda run: s.start[run])
    kinds = _CONTAINERS[Role(int(s.role[row]))]
    recent = runs[max(started - _MAX_CONCURRENT_RUNS, 0) : started]
    return [r for r in recent if r != row and s.role[r] in kinds and encloses(s, r, row)]


def _innermost(s: SpanState, around: list[int]) -> int | None:
    """Return the run that all others enclose; None if two runs only overlap."""
    if not around:
        return None
    last = max(around, key=lambda run: (int(s.start[run]), -int(s.end[run]), run))
    return last if all(encloses(s, run, last) for run in around) else None


def _is_leaked(s: SpanState, row: int) -> bool:
    """Return whether the call started after its parent had ended."""
    parent = s.parent[row]
    return bool(parent >= 0 and s.timed[parent] and s.end[parent] < s.start[row])


def _only_agent(s: SpanState, near: _Candidates, row: int, root: I64) -> int | None:
    """Return the nearest run of the only agent beside the call.

    A root that is no server may have called both itself: then its own calls stay with it.
    """
    if len(near.names) != 1:
        return None
    run = _nearest_run(s, near.agents, row)
    return run if s.role[root[row]] in SERVING_ROLES or root[run] != root[row] else None
