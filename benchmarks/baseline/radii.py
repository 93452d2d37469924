"""Blast radii in plain Python: one worklist per node."""

from __future__ import annotations

from agentguard.simulation.fixpoint import Requirements


def radii(needs: Requirements) -> list[int]:
    """Return, by node, how many others fail with it."""
    return [_radius(needs, node) for node in range(needs.size)]


def _radius(needs: Requirements, start: int) -> int:
    failed, waiting = {start} | needs.broken, [start]
    left: dict[int, int] = {}
    while waiting:
        for group in needs.groups_of[waiting.pop()]:
            left[group] = left.get(group, len(needs.members[group])) - 1
            owner = needs.owners[group]
            if not left[group] and owner not in failed:
                failed.add(owner)
                waiting.append(owner)
    return len(failed) - len(needs.broken | {start})
