"""What fails when something fails, where some needs can be met in several ways.

Works on integers alone: any data with owners and groups of alternatives goes through it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_

_BROKEN = -1
"""Cause of a node that nothing could ever keep alive: one of its groups has no member."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """Nodes 0 … size-1 and their groups.

    The owner of a group fails once every member of it has failed.

    Made by `requirements`, which drops doubled members; reading it backwards (`groups_of`) makes
    each failure cost its own edges only.
    """

    size: int
    owners: tuple[int, ...]
    members: tuple[tuple[int, ...], ...]
    groups_of: tuple[tuple[int, ...], ...]
    """Node → the groups that it is a member of."""
    broken: frozenset[int]
    """What fails even when nothing does: owners of groups that nothing can meet, and all they bring
    down.
    """


def requirements(size: int, groups: Iterable[tuple[int, Sequence[int]]]) -> Requirements:
    """Return the requirements given as (owner, members) pairs; linear in the members.

    An empty group can never be met.
    """
    pairs = [(owner, tuple(sorted(set(members)))) for owner, members in groups]
    groups_of: list[list[int]] = [[] for _ in range(size)]
    for group, (_, members) in enumerate(pairs):
        for member in members:
            groups_of[member].append(group)
    owners, members_of = tuple(o for o, _ in pairs), tuple(m for _, m in pairs)
    plain = Requirements(size, owners, members_of, tuple(map(tuple, groups_of)), frozenset())
    unmet = {owner for owner, members in pairs if not members}
    broken = frozenset(_spread(plain, unmet))
    return Requirements(size, owners, members_of, plain.groups_of, broken)


def failures(needs: Requirements, failed: Iterable[int]) -> dict[int, int]:
    """Return what fails besides, each with its cause: the member whose failure was the last straw.

    The least fixpoint: nodes that only hold each other up stay alive. Without the failed nodes
    themselves and without what was broken before. In order of distance from the failed nodes, so
    that following the causes gives a shortest path down. Linear in the edges of what fails.
    """
    start = sorted(set(failed))
    causes = _spread(needs, start)
    return {
        node: cause
        for node, cause in causes.items()
        if node not in needs.broken and cause != _BROKEN
    }


def single_failures(needs: Requirements) -> tuple[int, ...]:
    """Return, by node, in which of all single failures it fails.

    Bit x is set where the failure of x alone brings it down.

    The same as `failures` of every node in turn (its own bit and those of broken nodes left as they
    are), for the price of a few sweeps over the edges: one machine word carries 64 failures. Sweeps
    go from callees to callers, so only cycles need a second one.
    """
    every = (1 << needs.size) - 1
    fails = [every if node in needs.broken else 1 << node for node in range(needs.size)]
    owned = _owned(needs)
    order = _callees_first(needs, owned)
    changed = True
    while changed:
        changed = False
        for node in order:
            found = fails[node]
            for group in owned[node]:
                found |= reduce(and_, (fails[member] for member in needs.members[group]), every)
            changed |= found != fails[node]
            fails[node] = found
    return tuple(fails)


def _owned(needs: Requirements) -> list[list[int]]:
    owned: list[list[int]] = [[] for _ in range(needs.size)]
    for group, owner in enumerate(needs.owners):
        owned[owner].append(group)
    return owned


def _callees_first(needs: Requirements, owned: list[list[int]]) -> list[int]:
    """Return the nodes in depth-first postorder.

    But for cycles, every member before the owners of its groups.
    """
    order: list[int] = []
    seen = bytearray(needs.size)
    for root in range(needs.size):
        stack = [] if seen[root] else [(root, _members(needs, owned[root]))]
        seen[root] = True
        while stack:
            node, rest = stack[-1]
            after = next((m for m in rest if not seen[m]), None)
            if after is None:
                order.append(node)
                stack.pop()
            else:
                seen[after] = True
                stack.append((after, _members(needs, owned[after])))
    return order


def _members(needs: Requirements, groups: list[int]) -> Iterator[int]:
    return (member for group in groups for member in needs.members[group])


def _spread(needs: Requirements, start: Iterable[int]) -> dict[int, int]:
    """Return every failed node with its cause, the given ones with _BROKEN; breadth first."""
    causes = dict.fromkeys(needs.broken, _BROKEN) | dict.fromkeys(start, _BROKEN)
    left: dict[int, int] = {}
    level = list(causes)
    while level:
        hit: dict[int, int] = {}
        for node in level:
            for group in needs.groups_of[node]:
                left[group] = left.get(group, len(needs.members[group])) - 1
                owner = needs.owners[group]
                if not left[group] and owner not in causes:
                    hit.setdefault(owner, node)
        causes |= hit
        level = sorted(hit)
    return causes
