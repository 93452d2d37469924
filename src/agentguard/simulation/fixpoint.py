"""Failure propagation over AND/OR requirements, as a least fixpoint over integer nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

_BROKEN = -1
"""Cause of a node with an unsatisfiable group: one without members."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """Nodes 0 … size-1 and their requirement groups; a group's owner fails with its last member.

    Built by `requirements`, which removes duplicate members. The reverse index `groups_of` limits
    the cost of a failure to the edges it affects.
    """

    size: int
    owners: tuple[int, ...]
    members: tuple[tuple[int, ...], ...]
    groups_of: tuple[tuple[int, ...], ...]
    """Node → the groups that contain it."""
    broken: frozenset[int]
    """Nodes that fail in every scenario: owners of unsatisfiable groups, and their dependents."""
    relays: range = range(0)
    """Nodes that only pass failure on: they add no distance and are no cause of other nodes."""


def requirements(
    size: int, groups: Iterable[tuple[int, Sequence[int]]], *, relays: range = range(0)
) -> Requirements:
    """Build requirements from (owner, members) pairs; linear in the number of members.

    An empty group is unsatisfiable.
    """
    pairs = [(owner, tuple(sorted(set(members)))) for owner, members in groups]
    groups_of: list[list[int]] = [[] for _ in range(size)]
    for group, (_, members) in enumerate(pairs):
        for member in members:
            groups_of[member].append(group)
    owners, members_of = tuple(o for o, _ in pairs), tuple(m for _, m in pairs)
    index = tuple(map(tuple, groups_of))
    plain = Requirements(size, owners, members_of, index, frozenset(), relays)
    unmet = {owner for owner, members in pairs if not members}
    broken = frozenset(_spread(plain, unmet))
    return replace(plain, broken=broken)


def failures(needs: Requirements, failed: Iterable[int]) -> dict[int, int]:
    """Return the additional failures, each with its cause: the group member that failed last.

    This is the least fixpoint: nodes that only depend on each other stay alive. It excludes the
    failed nodes themselves and broken nodes. The order is by distance from the failed nodes, so
    following the causes gives a shortest path. Linear in the edges of failing nodes.
    """
    start = sorted(set(failed))
    causes = _spread(needs, start)
    return {
        node: cause
        for node, cause in causes.items()
        if node not in needs.broken and cause != _BROKEN
    }


def _spread(needs: Requirements, start: Iterable[int]) -> dict[int, int]:
    """Return every failed node with its cause, initial nodes with _BROKEN; breadth first."""
    causes = dict.fromkeys(needs.broken, _BROKEN) | dict.fromkeys(start, _BROKEN)
    left: dict[int, int] = {}
    level = list(causes)
    while level:
        hit: dict[int, int] = {}
        for node in level:
            _fail(needs, node, causes, left, hit)
        causes |= hit
        level = sorted(node for node in hit if node not in needs.relays)
    return causes


def _fail(
    needs: Requirements,
    node: int,
    causes: Mapping[int, int],
    left: dict[int, int],
    hit: dict[int, int],
) -> None:
    """Add what fails directly with this node, or through relays, to what this level hits."""
    waiting = [node]
    while waiting:
        for group in needs.groups_of[waiting.pop()]:
            left[group] = left.get(group, len(needs.members[group])) - 1
            owner = needs.owners[group]
            if not left[group] and owner not in causes and owner not in hit:
                hit[owner] = node
                if owner in needs.relays:
                    waiting.append(owner)
