"""Control passed on: who receives what a handoff gives away."""

from __future__ import annotations

from collections.abc import Callable

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import agent_key
from agentguard.discovery.partial import I64, Proof
from agentguard.discovery.scene import Scene, by_time, nearest

_Trace = dict[bytes, list[int]]


def settle_handoffs(s: Scene, agents: frozenset[str]) -> None:
    """The next run of a handoff's target, not earlier than the handoff, is its receiver; where no target is named, the next run.

    `agents`: keys of the agents that run anywhere in the window: a tool that speaks of none of them and is followed by no run
    passes nothing on.
    """
    passing = {i for i, r in enumerate(s.readings.readings) if r.passes}
    markers = [*s.rows(Role.HANDOFF).tolist(), *(row for row in s.rows(Role.TOOL).tolist() if int(s.readings.shape[row]) in passing)]
    if not markers:
        return
    giver_of = nearest(s.parent, s.role == Role.AGENT)
    waiting: _Trace = {}
    for row in by_time(s, s.rows(Role.AGENT)):
        waiting.setdefault(s.tree.trace[row].tobytes(), []).append(row)
    for marker in sorted(markers, key=lambda row: (s.start[row], row)):
        _settle(s, marker, int(giver_of[marker]), waiting.get(s.tree.trace[marker].tobytes(), []), agents)


def _settle(s: Scene, marker: int, giver: int, runs: list[int], agents: frozenset[str]) -> None:
    told = s.role[marker] == Role.HANDOFF
    target = s.reading(marker).target
    key = agent_key(target) if target else None
    if giver >= 0:
        receiver = _receiver(s, marker, giver, runs, _named(s, key))
        if receiver is not None:
            runs.remove(receiver)
            s.handoffs[receiver] = (giver, s.reading(marker).name, Proof.SIBLING)
        elif target and (told or key in agents):
            s.unmet.append((marker, giver))
        elif not told:
            return
    elif not told:
        return
    s.role[marker] = Role.STEP


def _named(s: Scene, key: str | None) -> Callable[[int], bool]:
    return lambda row: key is None or agent_key(s.name(row) or "") == key


def _receiver(s: Scene, marker: int, giver: int, runs: list[int], fits: Callable[[int], bool]) -> int | None:
    later = (row for row in runs if s.start[row] >= s.start[marker] and row != giver and fits(row))
    return next((row for row in later if not _below(s.parent, row, marker)), None)


def _below(parent: I64, row: int, marker: int) -> bool:
    at = int(parent[row])
    while at >= 0 and at != marker:
        at = int(parent[at])
    return at == marker
