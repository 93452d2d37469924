"""Control passed on: who receives what a handoff gives away."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import agent_key
from agentguard.discovery.partial import Proof
from agentguard.discovery.scene import Scene, Unseen, by_time, is_below, nearest


@dataclass(frozen=True, slots=True)
class _Marker:
    """A span that passes control on, or may."""

    row: int
    giver: int
    target: str | None
    via: str | None
    told: bool
    """Whether it is a handoff whatever follows; otherwise an agent must take it up."""


def settle_handoffs(s: Scene, agents: frozenset[str]) -> None:
    """The next run of a handoff's target, not earlier than the handoff, is its receiver; where no target is named, the next run.

    `agents`: keys of the agents that run anywhere in the window: a tool that speaks of none of them and is followed by no run
    passes nothing on.
    """
    markers = list(_markers(s))
    if not markers:
        return
    waiting: dict[bytes, deque[int]] = {}
    for row in by_time(s, s.rows(Role.AGENT)):
        waiting.setdefault(s.tree.trace[row].tobytes(), deque()).append(row)
    for marker in sorted(markers, key=lambda m: (s.start[m.row], m.row)):
        runs = waiting.get(s.tree.trace[marker.row].tobytes(), deque())
        while runs and s.start[runs[0]] < s.start[marker.row]:
            runs.popleft()
        _settle(s, marker, runs, agents)


def _markers(s: Scene) -> Iterator[_Marker]:
    passing = [i for i, r in enumerate(s.readings.readings) if r.passes]
    going = [i for i, r in enumerate(s.readings.readings) if r.goto]
    rows = np.flatnonzero((s.role == Role.HANDOFF) | ((s.role == Role.TOOL) & np.isin(s.readings.shape, passing)))
    gone = np.flatnonzero(np.isin(s.readings.shape, going))
    if not len(rows) and not len(gone):
        return
    above = nearest(s.parent, s.role == Role.AGENT)
    for row in rows.tolist():
        reading, told = s.reading(row), s.role[row] == Role.HANDOFF
        giver = int(above[row]) if above[row] >= 0 or not told else _run_before(s, row)
        yield _Marker(row, giver, reading.target, reading.name, told)
    for row in gone.tolist():
        yield _Marker(row, row if s.role[row] == Role.AGENT else int(above[row]), s.reading(row).goto, None, told=False)


def _run_before(s: Scene, row: int) -> int:
    """Return the last agent's run to start before this span under the same parent, -1 where there is none."""
    beside = s.rows(Role.AGENT)
    beside = beside[(s.parent[beside] == s.parent[row]) & (s.parent[row] >= 0) & (s.start[beside] <= s.start[row])]
    return by_time(s, beside)[-1] if len(beside) else -1


def _settle(s: Scene, marker: _Marker, runs: deque[int], agents: frozenset[str]) -> None:
    key = agent_key(marker.target) if marker.target else None
    receiver = _receiver(s, marker, runs, _named(s, key)) if marker.giver >= 0 else None
    if receiver is not None:
        runs.remove(receiver)
        s.handoffs[receiver] = (marker.giver, marker.via, Proof.SIBLING)
    elif marker.giver >= 0 and marker.target and (marker.told or key in agents):
        s.unseen.append(Unseen(marker.row, marker.giver, marker.target, Role.AGENT, s.reading(marker.row).rule))
    elif not marker.told:
        return
    if s.role[marker.row] != Role.AGENT:
        s.role[marker.row] = Role.STEP


def _named(s: Scene, key: str | None) -> Callable[[int], bool]:
    return lambda row: key is None or agent_key(s.name(row) or "") == key


def _receiver(s: Scene, marker: _Marker, runs: deque[int], fits: Callable[[int], bool]) -> int | None:
    earliest = s.start[marker.row] if marker.target else s.end[marker.row]
    later = (row for row in runs if row != marker.giver and s.start[row] >= earliest and fits(row))
    return next((row for row in later if not is_below(s.parent, row, marker.row)), None)
