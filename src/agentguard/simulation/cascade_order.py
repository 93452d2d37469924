"""The order in which a cascade is computed: blocks of owners with all their groups.

A block's owners have consecutive rows. Its groups are sorted into slots: slot k holds the k-th
group of every owner that has that many, so that a slot is combined by whole rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Places: TypeAlias = "NDArray[np.int64] | slice"
"""Places of groups in their slot."""

_BLOCK_GROUPS = 768


@dataclass(frozen=True, slots=True)
class Choice:
    """The k-th members of the groups of a slot; -1 where a group has fewer."""

    node: NDArray[np.int64]
    """Rows of the members."""
    member: NDArray[np.int64]
    """Numbers of the members."""
    whole: bool
    """Whether every group has one."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The k-th groups of the first owners of a block."""

    first: int
    """Place of its first group in the block."""
    size: int
    choices: tuple[Choice, ...]
    unmet: bool
    """Whether a group has no members."""

    def concerned(self, fresh: NDArray[np.bool_]) -> Places | None:
        """Return the groups with a member among these rows; all, if most have, or any has none.

        None if there is nothing to compute.
        """
        concerned = np.zeros(self.size, dtype=np.bool_)
        for choice in self.choices:
            concerned |= fresh[choice.node] & (choice.node >= 0)
        places = np.flatnonzero(concerned)
        many = self.unmet or 4 * len(places) > 3 * self.size
        if many:
            return slice(0, self.size)
        return places if len(places) else None


@dataclass(frozen=True, slots=True)
class Block:
    """Some owners and all their groups."""

    first_row: int
    owners: int
    groups: NDArray[np.int64]
    """Numbers of the groups, in the order of the slots."""
    slots: tuple[Slot, ...]
    members: NDArray[np.int64]
    """Numbers of the members of all groups."""
    nodes: NDArray[np.int64]
    """Rows of these members, each once."""
    unmet: bool
    """Whether a group has no members."""


@dataclass(frozen=True, slots=True)
class Order:
    """Rows for the nodes, and the blocks."""

    row: NDArray[np.int64]
    """By node."""
    blocks: tuple[Block, ...]


def ordered(
    size: int,
    owner: NDArray[np.int64],
    start: NDArray[np.int64],
    member: NDArray[np.int64],
    first: NDArray[np.int64],
) -> Order:
    """Return the blocks, by the distance of their owners from the nodes in `first`.

    Failures that start there then mostly spread from earlier blocks to later ones.
    """
    distance = _distances(size, np.repeat(owner, np.diff(start)), member, first)
    count = np.bincount(owner, minlength=size)
    block = _blocks(count, distance)
    rows = np.lexsort((distance, -count, block, count == 0))
    row = np.empty(size, np.int64)
    row[rows] = np.arange(size)
    by_slot = _by_slot(row[owner], block[owner], _before(count[rows]))
    groups = _Groups(row[owner], start, row[member])
    return Order(row, tuple(map(groups.block, _parts(by_slot, block[owner[by_slot]]))))


def _parts(groups: NDArray[np.int64], block: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return np.split(groups, np.flatnonzero(np.diff(block)) + 1) if len(groups) else []


def _blocks(count: NDArray[np.int64], distance: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the block of each node; those without groups come last."""
    near = np.lexsort((np.arange(len(count)), distance, count == 0))
    block = np.empty(len(count), np.int64)
    block[near] = _before(count[near]) // _BLOCK_GROUPS
    return block


def _by_slot(
    row: NDArray[np.int64], block: NDArray[np.int64], before: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the groups by block, place among the groups of their owner, and the owner's row.

    `before` has, by row, the number of groups of earlier rows.
    """
    by_owner = np.argsort(row, kind="stable")
    slot = np.arange(len(row)) - before[row[by_owner]]
    return by_owner[np.lexsort((row[by_owner], slot, block[by_owner]))]


def _before(count: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many there are before each."""
    return np.cumsum(count) - count


@dataclass(frozen=True, slots=True)
class _Groups:
    owner: NDArray[np.int64]
    """By group: its owner's row."""
    start: NDArray[np.int64]
    node: NDArray[np.int64]
    """By member: its row."""

    def block(self, groups: NDArray[np.int64]) -> Block:
        """Return the block of these groups, which are in the order of the slots."""
        rows = self.owner[groups]
        first = int(rows.min())
        starts = np.flatnonzero(rows == first).tolist()
        ends = [*starts[1:], len(groups)]
        slots = tuple(self._slot(groups[a:b], a) for a, b in zip(starts, ends, strict=True))
        members = _ranges(self.start[groups], self._sizes(groups))
        return Block(
            first_row=first,
            owners=ends[0],
            groups=groups,
            slots=slots,
            members=members,
            nodes=np.unique(self.node[members]),
            unmet=any(slot.unmet for slot in slots),
        )

    def _slot(self, groups: NDArray[np.int64], first: int) -> Slot:
        unmet = bool((self._sizes(groups) == 0).any())
        return Slot(first, len(groups), tuple(self._choices(groups)), unmet)

    def _choices(self, groups: NDArray[np.int64]) -> Iterator[Choice]:
        size = self._sizes(groups)
        for rank in range(int(size.max(initial=0))):
            has = size > rank
            members = np.where(has, self.start[groups] + rank, -1)
            nodes = np.where(has, self.node[members], -1)
            yield Choice(nodes, members, bool(has.all()))

    def _sizes(self, groups: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.start[groups + 1] - self.start[groups]


def _ranges(first: NDArray[np.int64], size: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers first … first + size - 1 of each."""
    return np.repeat(first - _before(size), size) + np.arange(int(size.sum()))


def _distances(
    size: int,
    owner: NDArray[np.int64],
    member: NDArray[np.int64],
    first: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return how many members lie between each node and the nearest of `first`; size if none."""
    distance = np.full(size, size, dtype=np.int64)
    distance[first] = 0
    level, step = np.zeros(size, np.bool_), 0
    level[first] = True
    while level.any():
        step += 1
        reached = np.zeros(size, np.bool_)
        reached[owner[level[member]]] = True
        level = reached & (distance == size)
        distance[level] = step
    return distance
