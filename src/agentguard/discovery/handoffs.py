"""Control passed on: who receives what a handoff gives away."""

from __future__ import annotations

from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.naming import folded
from agentguard.discovery.partial import Proof
from agentguard.discovery.scene import Scene, by_time, nearest


def settle_handoffs(s: Scene) -> None:
    """The next run of a handoff's target, not earlier than the handoff, is its receiver."""
    markers = s.rows(Role.HANDOFF)
    if not len(markers):
        return
    giver_of = nearest(s.parent, s.role == Role.AGENT)
    waiting: dict[tuple[bytes, str], list[int]] = {}
    for row in by_time(s, s.rows(Role.AGENT)):
        waiting.setdefault((s.tree.trace[row].tobytes(), folded(s.name(row) or "")), []).append(row)
    for marker in by_time(s, markers):
        giver, target = int(giver_of[marker]), s.reading(marker).target
        if giver < 0 or not target:
            s.role[marker] = Role.STEP
            continue
        receivers = waiting.get((s.tree.trace[marker].tobytes(), folded(target)), [])
        receiver = next((row for row in receivers if s.start[row] >= s.start[marker] and row != giver), None)
        if receiver is None:
            s.unmet.append((marker, giver))
        else:
            receivers.remove(receiver)
            s.handoffs[receiver] = (giver, s.reading(marker).name, Proof.SIBLING)
        s.role[marker] = Role.STEP
