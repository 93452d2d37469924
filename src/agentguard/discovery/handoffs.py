"""Control passed on: who receives what a handoff gives away."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import agent_key
from agentguard.discovery.partial import Proof
from agentguard.discovery.span_state import SpanState, Unseen, by_time, is_below, nearest


@dataclass(frozen=True, slots=True)
class _Marker:
    """A span that passes control on, or may."""

    row: int
    giver: int
    target: str | None
    via: str | None
    told: bool
    """Whether it is a handoff whatever follows; otherwise an agent must take it up."""


def resolve_handoffs(s: SpanState, agents: frozenset[str]) -> None:
    """The next run of a handoff's target, not earlier than the handoff, is its receiver.

    Where no target is named, the next run.

    `agents`: keys of the agents that run anywhere in the window: a tool that speaks of none of them
    and is followed by no run passes nothing on.
    """
    markers = list(_markers(s))
    if not markers:
        return
    waiting: dict[tuple[bytes, str | None], deque[int]] = defaultdict(deque)
    for row in by_time(s, s.rows(Role.AGENT)):
        for key in (None, agent_key(s.name(row) or "")):
            waiting[s.tree.trace[row].tobytes(), key].append(row)
    taken: set[int] = set()
    for marker in sorted(markers, key=lambda m: (s.start[m.row], m.row)):
        key = agent_key(marker.target) if marker.target else None
        runs = waiting.get((s.tree.trace[marker.row].tobytes(), key), deque())
        while runs and (runs[0] in taken or s.start[runs[0]] < s.start[marker.row]):
            runs.popleft()
        receiver = _receiver(s, marker, runs, taken)
        if receiver is not None:
            taken.add(receiver)
        _settle(s, marker, receiver, known=key in agents)


def _markers(s: SpanState) -> Iterator[_Marker]:
    passing = [i for i, r in enumerate(s.readings.readings) if r.passes]
    going = [i for i, r in enumerate(s.readings.readings) if r.goto]
    rows = np.flatnonzero(
        (s.role == Role.HANDOFF) | ((s.role == Role.TOOL) & np.isin(s.readings.shape, passing))
    )
    gone = np.flatnonzero(np.isin(s.readings.shape, going))
    if not len(rows) and not len(gone):
        return
    above, beside = nearest(s.parent, s.role == Role.AGENT), _beside(s)
    for row in rows.tolist():
        reading, told = s.reading(row), s.role[row] == Role.HANDOFF
        giver = (
            int(above[row])
            if above[row] >= 0 or not told
            else _run_before(s, row, beside.get(int(s.parent[row]), []))
        )
        yield _Marker(row, giver, reading.target, reading.name, told)
    for row in gone.tolist():
        yield _Marker(
            row,
            row if s.role[row] == Role.AGENT else int(above[row]),
            s.reading(row).goto,
            None,
            told=False,
        )


def _beside(s: SpanState) -> dict[int, list[int]]:
    """Return the runs of agents under each parent, in the order of their start."""
    runs = s.rows(Role.AGENT)
    beside: dict[int, list[int]] = defaultdict(list)
    for row in by_time(s, runs[s.parent[runs] >= 0]):
        beside[int(s.parent[row])].append(row)
    return beside


def _run_before(s: SpanState, row: int, beside: list[int]) -> int:
    """Return the last agent's run to start before this span under the same parent, -1 where there
    is none.
    """
    place = bisect_right(beside, s.start[row], key=lambda run: s.start[run])
    return beside[place - 1] if place else -1


def _receiver(s: SpanState, marker: _Marker, runs: deque[int], taken: set[int]) -> int | None:
    """Return the first of the waiting runs, in the order of their start, that may take over."""
    if marker.giver < 0:
        return None
    earliest = s.start[marker.row] if marker.target else s.end[marker.row]
    later = (
        row for row in runs if row not in taken and row != marker.giver and s.start[row] >= earliest
    )
    return next((row for row in later if not is_below(s.parent, row, marker.row)), None)


def _settle(s: SpanState, marker: _Marker, receiver: int | None, *, known: bool) -> None:
    """`known`: whether the target runs anywhere in the window."""
    if receiver is not None:
        s.handoffs[receiver] = (marker.giver, marker.via, Proof.SIBLING)
    elif marker.giver >= 0 and marker.target and (marker.told or known):
        s.unseen.append(
            Unseen(marker.row, marker.giver, marker.target, Role.AGENT, s.reading(marker.row).rule)
        )
    elif not marker.told:
        return
    if s.role[marker.row] != Role.AGENT:
        s.role[marker.row] = Role.STEP
