"""Resolution of handoffs: finds the agent run that receives control."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Container, Iterator
from dataclasses import dataclass

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import agent_key
from agentguard.discovery.partial import Proof
from agentguard.discovery.span_state import (
    InferredCall,
    SpanState,
    by_time,
    is_descendant,
    nearest_ancestor,
    nodes,
)


@dataclass(frozen=True, slots=True)
class _Marker:
    """A span that is or may be a handoff."""

    row: int
    sender: int
    target: str | None
    via: str | None
    certain: bool
    """Whether it is always a handoff; otherwise only if a run of the target follows."""


def resolve_handoffs(s: SpanState, agents: Container[object]) -> None:
    """Assign each handoff the next run of its target, or any next run if it has no target.

    The run must not start before the handoff. `agents` are the keys of all agents that run in the
    window: a tool that refers to none of them and is followed by no run is not a handoff.
    """
    markers = list(_markers(s))
    if not markers:
        return
    candidates: dict[tuple[bytes, str | None], deque[int]] = defaultdict(deque)
    for row in by_time(s, s.rows(Role.AGENT)):
        for key in (None, agent_key(s.name(row) or "")):
            candidates[s.tree.trace[row].tobytes(), key].append(row)
    taken: set[int] = set()
    for marker in sorted(markers, key=lambda m: (s.start[m.row], m.row)):
        key = agent_key(marker.target) if marker.target else None
        runs = candidates.get((s.tree.trace[marker.row].tobytes(), key), deque())
        while runs and (runs[0] in taken or s.start[runs[0]] < s.start[marker.row]):
            runs.popleft()
        receiver = _receiver(s, marker, runs, taken)
        if receiver is not None:
            taken.add(receiver)
        _record(s, marker, receiver, known=key in agents)


def _markers(s: SpanState) -> Iterator[_Marker]:
    passing_shapes = [i for i, r in enumerate(s.classifications.by_shape) if r.passes]
    goto_shapes = [i for i, r in enumerate(s.classifications.by_shape) if r.goto]
    rows = np.flatnonzero(
        (s.role == Role.HANDOFF)
        | ((s.role == Role.TOOL) & np.isin(s.classifications.shape, passing_shapes))
    )
    goto_rows = np.flatnonzero(np.isin(s.classifications.shape, goto_shapes))
    if not len(rows) and not len(goto_rows):
        return
    above, siblings = nearest_ancestor(s.parent, s.role == Role.AGENT), _runs_by_parent(s)
    for row in rows.tolist():
        classification, certain = s.classification(row), s.role[row] == Role.HANDOFF
        sender = (
            int(above[row])
            if above[row] >= 0 or not certain
            else _run_before(s, row, siblings.get(int(s.parent[row]), []))
        )
        yield _Marker(row, sender, classification.target, classification.name, certain)
    for row in goto_rows.tolist():
        yield _Marker(
            row,
            row if s.role[row] == Role.AGENT else int(above[row]),
            s.classification(row).goto,
            None,
            certain=False,
        )


def _runs_by_parent(s: SpanState) -> dict[int, list[int]]:
    """Return the agent runs under each parent, in order of start."""
    runs = s.rows(Role.AGENT)
    siblings: dict[int, list[int]] = defaultdict(list)
    for row in by_time(s, runs[s.parent[runs] >= 0]):
        siblings[int(s.parent[row])].append(row)
    return siblings


def _run_before(s: SpanState, row: int, siblings: list[int]) -> int:
    """Return the last agent run that started before this span under the same parent, or -1."""
    place = bisect_right(siblings, s.start[row], key=lambda run: s.start[run])
    return siblings[place - 1] if place else -1


def _receiver(s: SpanState, marker: _Marker, runs: deque[int], taken: set[int]) -> int | None:
    """Return the first candidate run, in order of start, that can receive control."""
    if marker.sender < 0:
        return None
    earliest = s.start[marker.row] if marker.target else s.end[marker.row]
    later = (
        row
        for row in runs
        if row not in taken and row != marker.sender and s.start[row] >= earliest
    )
    inside = s.role[marker.row] in (Role.TOOL, Role.HANDOFF)
    return next((r for r in later if inside or not is_descendant(s.parent, r, marker.row)), None)


def infer_handoffs_in_order(s: SpanState) -> None:
    """Let each agent run pass control to the next one of a workflow that runs one agent at a time.

    Applies to frameworks in which only a handoff changes the agent, and that do not record it. Weak
    evidence: the app may have started both.
    """
    shapes = [i for i, r in enumerate(s.classifications.by_shape) if r.hands_over]
    loops = (s.role == Role.WORKFLOW) & np.isin(s.classifications.shape, shapes)
    if not loops.any():
        return
    above, runs = nearest_ancestor(s.parent, nodes(s)), s.rows(Role.AGENT)
    before: dict[int, int] = {}
    for row in by_time(s, runs[(above[runs] >= 0) & loops[above[runs]]]):
        giver = before.get(int(above[row]))
        if giver is not None and _takes_over(s, row, giver):
            s.handoffs[row] = (giver, None, Proof.SIBLING)
        before[int(above[row])] = row


def _takes_over(s: SpanState, row: int, giver: int) -> bool:
    other = agent_key(s.name(row) or "") != agent_key(s.name(giver) or "")
    ordered = s.end[giver] <= s.start[row] and not s.failed[giver]
    return bool(other and ordered and row not in s.handoffs)


def _record(s: SpanState, marker: _Marker, receiver: int | None, *, known: bool) -> None:
    """Record the handoff; `known`: whether the target runs anywhere in the window."""
    if receiver is not None:
        s.handoffs[receiver] = (marker.sender, marker.via, Proof.SIBLING)
    elif marker.sender >= 0 and marker.target and (marker.certain or known):
        s.inferred_calls.append(
            InferredCall(
                marker.row,
                marker.sender,
                marker.target,
                Role.AGENT,
                s.classification(marker.row).rule,
            )
        )
    elif not marker.certain:
        return
    if s.role[marker.row] != Role.AGENT:
        s.role[marker.row] = Role.STEP
