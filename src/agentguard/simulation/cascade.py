"""Failures that spread by chance over AND/OR requirements, 64 trials in a machine word.

Nodes have requirement groups. A member is lost to a group if it failed, or if it did not help this
time (a fallback that does not always succeed, a call that times out). If all members of a group are
lost, its owner fails with the group's chance. What has failed in a trial is the least fixpoint of
this rule, so nodes that only depend on each other stay up. With one member in each group this is
the independent cascade model (Kempe, Kleinberg, Tardos 2003), each edge being tried once.

Every chance is drawn for its key (see bernoulli), so scenarios share their random numbers: with
more faults, or more probable ones, no trial has fewer failures.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agentguard.compute.arrays import U64
from agentguard.simulation.bernoulli import ALL, draw, levels, trial_keys
from agentguard.simulation.cascade_order import Block, Order, Places, Slot, ordered

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GROUP, _MEMBER, _NODE_FAULT, _MEMBER_FAULT = range(4)
"""What a chance is drawn for; each has random numbers of its own."""
_SURE = np.uint64(2**32)
_BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Cascade:
    """Nodes 0 … size - 1 and their requirement groups, as flat arrays."""

    size: int
    owner: NDArray[np.int64]
    """By group."""
    start: NDArray[np.int64]
    """Group g has the members start[g] … start[g + 1] - 1. A group without any is always lost."""
    member: NDArray[np.int64]
    """Node, by member."""
    chance: NDArray[np.float64]
    """(groups, 1) or (groups, worlds): how likely the owner fails with the whole group."""
    key: U64
    """By group: what its chance is drawn for."""
    unhelpful: NDArray[np.float64]
    """By member: how likely it is lost although it works."""
    member_key: U64


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of one scenario: how likely each node fails by itself in a trial."""

    node: NDArray[np.int64]
    chance: NDArray[np.float64]
    key: U64
    member: NDArray[np.int64]
    """Members that are lost to their groups by chance, though their nodes may work."""
    member_chance: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trials:
    """How many trials there are, and what they are drawn from.

    A world is a draw of what is not known; `words_per_world` × 64 trials share it.
    """

    worlds: int
    words_per_world: int
    seed: int

    @property
    def words(self) -> int:
        """Return the number of words of all trials."""
        return self.worlds * self.words_per_world

    @property
    def count(self) -> int:
        """Return the number of all trials."""
        return self.words * 64


@dataclass(frozen=True, slots=True)
class Spread:
    """What failed in the trials of one scenario."""

    failed: NDArray[np.int64]
    """By node: in how many trials it failed."""
    watched: U64
    """(watched nodes, words): in which trials these failed."""


def spread(
    cascade: Cascade,
    scenarios: Sequence[Faults],
    trials: Trials,
    *,
    watched: NDArray[np.int64],
    threads: int = 1,
    block_words: int | None = None,
) -> list[Spread]:
    """Return what fails in each scenario.

    The result depends on neither `threads` nor `block_words`, the words computed at a time (None:
    what fits into about 64 MiB).
    """
    order = _order(cascade, scenarios)
    rows = cascade.size + len(cascade.owner)
    step = block_words or _block_words(rows, trials.words)

    def work(first: int) -> list[Spread]:
        words = np.arange(first, min(first + step, trials.words), dtype=np.uint64)
        draws = _Draws(cascade, order, trials, words)
        return [_spread(order, draws, faults, watched) for faults in scenarios]

    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(work, range(0, trials.words, step)))
    return [_joined([part[i] for part in found]) for i in range(len(scenarios))]


def _order(cascade: Cascade, scenarios: Sequence[Faults]) -> Order:
    none = np.zeros(0, np.int64)
    nodes = np.concatenate([none, *(faults.node for faults in scenarios)])
    members = np.concatenate([none, *(faults.member for faults in scenarios)])
    concerned = cascade.owner[np.searchsorted(cascade.start, members, side="right") - 1]
    first = np.union1d(nodes, concerned)
    return ordered(cascade.size, cascade.owner, cascade.start, cascade.member, first)


def _block_words(rows: int, words: int) -> int:
    """Return the size of equal blocks that fit into the memory."""
    blocks = -(-words * rows * 8 // _BLOCK_BYTES)
    return -(-words // max(1, blocks))


def _joined(parts: Sequence[Spread]) -> Spread:
    return Spread(
        np.sum([part.failed for part in parts], axis=0, dtype=np.int64),
        np.concatenate([part.watched for part in parts], axis=1),
    )


def _spread(order: Order, draws: _Draws, faults: Faults, watched: NDArray[np.int64]) -> Spread:
    failed = draws.failed_nodes(faults)
    _reach_fixpoint(order, draws, draws.lost_members(faults), failed)
    counts = np.bitwise_count(failed).sum(axis=1, dtype=np.int64)
    return Spread(counts[order.row], failed[order.row[watched]])


def _reach_fixpoint(order: Order, draws: _Draws, lost: _LostMembers, failed: U64) -> None:
    """Add failures until no block has more."""
    grew: NDArray[np.int64] = np.asarray(failed.any(axis=1), dtype=np.int64)
    """By row: at which step it last grew."""
    seen = [-1 if block.unmet or lost.concerns(block) else 0 for block in order.blocks]
    step, growing = 1, True
    while growing:
        growing = False
        for number, block in enumerate(order.blocks):
            fresh: NDArray[np.bool_] = np.asarray(grew > seen[number])
            if fresh[block.nodes].any() or seen[number] < 0:
                rows = _fail_owners(failed, block, draws.groups(number), lost, fresh)
                seen[number], step = step, step + 1
                grew[rows] = step
                growing |= len(rows) > 0


def _fail_owners(
    failed: U64,
    block: Block,
    fires: U64 | None,
    lost: _LostMembers,
    fresh: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Add the failures that the block's groups cause; return the rows that grew.

    Only groups with a member among the `fresh` rows can cause new ones; without any member, all.
    """
    owners = failed[block.first_row : block.first_row + block.owners]
    grown = np.zeros(block.owners, dtype=np.bool_)
    for slot in block.slots:
        places = slot.concerned(fresh)
        if places is None:
            continue
        gone = _lost_groups(failed, slot, lost, places)
        if fires is not None:
            gone &= fires[slot.first : slot.first + slot.size][places]
        here = owners[: slot.size]
        before = here[places]
        gone |= before
        grown[: slot.size][places] |= (gone != before).any(axis=1)
        here[places] = gone
    return block.first_row + np.flatnonzero(grown)


def _lost_groups(failed: U64, slot: Slot, lost: _LostMembers, places: Places) -> U64:
    """Return in which trials all members of these groups are lost."""
    gone: U64 | None = None
    for choice in slot.choices:
        nodes, members = choice.node[places], choice.member[places]
        if choice.whole:
            now = lost.joined(failed[nodes], members)
            gone = now if gone is None else gone & now
            continue
        has = np.flatnonzero(nodes >= 0)
        gone = np.full((len(nodes), failed.shape[1]), ALL) if gone is None else gone
        gone[has] &= lost.joined(failed[nodes[has]], members[has])
    return np.full((slot.size, failed.shape[1]), ALL)[places] if gone is None else gone


@dataclass(frozen=True, slots=True)
class _LostMembers:
    """Members that are lost in some trials though their nodes may work."""

    row: NDArray[np.int64]
    """By member; -1: only lost with its node."""
    words: U64

    def concerns(self, block: Block) -> bool:
        """Return whether a member of the block may be lost."""
        return len(self.words) > 0 and bool((self.row[block.members] >= 0).any())

    def joined(self, failed: U64, members: NDArray[np.int64]) -> U64:
        """Return when the members are lost, given when their nodes failed."""
        if len(self.words):
            places = np.flatnonzero(self.row[members] >= 0)
            failed[places] |= self.words[self.row[members[places]]]
        return failed


class _Draws:
    """The random bits of some words of the trials, the same for every scenario."""

    def __init__(self, cascade: Cascade, order: Order, trials: Trials, words: U64) -> None:
        self._cascade, self._order, self._seed, self._words = cascade, order, trials.seed, words
        self._world = (words // np.uint64(trials.words_per_world)).astype(np.int64)
        self._groups: dict[int, U64 | None] = {}

    def groups(self, block: int) -> U64 | None:
        """Return in which trials each group of the block takes its owner with it; None: in all."""
        if block not in self._groups:
            self._groups[block] = self._fires(self._order.blocks[block].groups)
        return self._groups[block]

    def failed_nodes(self, faults: Faults) -> U64:
        """Return by row which nodes fail by themselves."""
        failed = np.zeros((self._cascade.size, len(self._words)), dtype=np.uint64)
        drawn = self._drawn(faults.key, faults.chance, _NODE_FAULT)
        np.bitwise_or.at(failed, self._order.row[faults.node], drawn)
        return failed

    def lost_members(self, faults: Faults) -> _LostMembers:
        """Return which members are lost, by their own chance or the scenario's."""
        c = self._cascade
        poor = np.flatnonzero(c.unhelpful > 0)
        concerned = np.union1d(poor, faults.member)
        row = np.full(len(c.member), -1, dtype=np.int64)
        row[concerned] = np.arange(len(concerned))
        words = np.zeros((len(concerned), len(self._words)), dtype=np.uint64)
        words[row[poor]] = self._drawn(c.member_key[poor], c.unhelpful[poor], _MEMBER)
        drawn = self._drawn(c.member_key[faults.member], faults.member_chance, _MEMBER_FAULT)
        np.bitwise_or.at(words, row[faults.member], drawn)
        return _LostMembers(row, words)

    def _fires(self, groups: NDArray[np.int64]) -> U64 | None:
        level = levels(self._cascade.chance[groups])
        if (level == _SURE).all():
            return None
        spread_out = level[:, self._world] if level.shape[1] > 1 else level
        keys = trial_keys(self._cascade.key[groups], self._seed, _GROUP)
        return draw(keys, spread_out, self._words)

    def _drawn(self, keys: U64, chance: NDArray[np.float64], salt: int) -> U64:
        return draw(trial_keys(keys, self._seed, salt), levels(chance)[:, None], self._words)
