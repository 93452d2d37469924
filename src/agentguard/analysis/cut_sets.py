"""Minimal cut sets: the smallest combinations of failures that bring a node down."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import combinations

from agentguard.simulation.fixpoint import Requirements, failures

MAX_ORDER = 3
"""Failures in one cut set."""

MOST_STEPS = 200_000
"""Nodes looked at in one search: about a second. Beyond it the answer is marked as bounded."""

MOST_SETS = 1_000
"""Cut sets of one node; beyond it the answer is marked as bounded."""


@dataclass(frozen=True, slots=True)
class CutSets:
    """Minimal cut sets of one node, the smallest first, each sorted."""

    sets: tuple[tuple[int, ...], ...]
    bounded: bool
    """Whether the search ended before it had looked at every combination."""
    steps: int
    """Nodes looked at."""


def minimal_cut_sets(
    needs: Requirements,
    top: int,
    events: Collection[int],
    *,
    order: int = MAX_ORDER,
    steps: int = MOST_STEPS,
    singles: Collection[int] | None = None,
) -> CutSets:
    """Return every minimal set of at most `order` events whose failure makes `top` fail.

    `singles` are the events that make it fail alone; given, they are not tried one by one.

    Exact unless `bounded`. While `top` works, a set of nodes in which every requirement has a
    member proves it; a cut set must contain one of them, so only these extend a set that is not a
    cut set yet (Reiter, "A theory of diagnosis from first principles", 1987). A node that fails in
    every scenario has no cut set.
    """
    search = _Search(needs, top, frozenset(events), steps, singles)
    found: list[tuple[int, ...]] = []
    working: list[tuple[int, ...]] = [()] if top not in needs.broken else []
    try:
        for size in range(1, order + 1):
            working = search.widen(working, found, last=size == order)
    except _OutOfStepsError:
        return CutSets(tuple(sorted(found, key=_order)), bounded=True, steps=steps)
    return CutSets(tuple(sorted(found, key=_order)), bounded=False, steps=steps - search.steps)


class _OutOfStepsError(Exception):
    """The search has used all of its steps, or found more sets than it keeps."""


@dataclass(slots=True)
class _Search:
    """Requirements, what may fail in them, and how many nodes may still be looked at."""

    needs: Requirements
    top: int
    events: frozenset[int]
    steps: int
    singles: Collection[int] | None
    owned: dict[int, list[tuple[int, ...]]]

    def __init__(
        self,
        needs: Requirements,
        top: int,
        events: frozenset[int],
        steps: int,
        singles: Collection[int] | None,
    ) -> None:
        self.needs, self.top, self.events = needs, top, events
        self.steps, self.singles = steps, singles
        self.owned = {}
        for owner, members in zip(needs.owners, needs.members, strict=True):
            self.owned.setdefault(owner, []).append(members)

    def widen(
        self, working: Iterable[tuple[int, ...]], found: list[tuple[int, ...]], *, last: bool
    ) -> list[tuple[int, ...]]:
        """Add an event to every set; append cut sets to `found`, return what still works.

        Raises _OutOfStepsError. Of the last round nothing is returned.
        """
        smaller = set(found)
        seen: set[tuple[int, ...]] = set()
        left: list[tuple[int, ...]] = []
        for base in working:
            for event in sorted(self._proof(base) & self.events):
                wider = tuple(sorted((*base, event)))
                if wider in seen or _contains(wider, smaller):
                    continue
                seen.add(wider)
                if self._fails(wider):
                    found.append(wider)
                    self._check(len(found))
                elif not last:
                    left.append(wider)
        return left

    def _proof(self, failed: tuple[int, ...]) -> set[int]:
        """Return nodes, none of them failed, of which every requirement has a member."""
        down = failures(self.needs, failed).keys() | set(failed) | self.needs.broken
        proof, waiting = {self.top}, [self.top]
        while waiting:
            for members in self.owned.get(waiting.pop(), ()):
                if proof.isdisjoint(members):
                    member = next(m for m in members if m not in down)
                    proof.add(member)
                    waiting.append(member)
        self._spend(len(proof) + len(down))
        return proof

    def _fails(self, failed: tuple[int, ...]) -> bool:
        if len(failed) == 1 and self.singles is not None:
            return failed[0] in self.singles
        return self._spreads_to_top(failed)

    def _spreads_to_top(self, failed: tuple[int, ...]) -> bool:
        """Return whether the top fails, without looking further once it does."""
        down = {*failed, *self.needs.broken}
        left: dict[int, int] = {}
        waiting = list(down)
        while waiting and self.top not in down:
            groups = self.needs.groups_of[waiting.pop()]
            self._spend(len(groups) + 1)
            for group in groups:
                left[group] = left.get(group, len(self.needs.members[group])) - 1
                owner = self.needs.owners[group]
                if not left[group] and owner not in down:
                    down.add(owner)
                    waiting.append(owner)
        return self.top in down

    def _spend(self, nodes: int) -> None:
        self.steps -= nodes
        if self.steps < 0:
            raise _OutOfStepsError

    def _check(self, found: int) -> None:
        if found > MOST_SETS:
            raise _OutOfStepsError


def _contains(wider: tuple[int, ...], smaller: Collection[tuple[int, ...]]) -> bool:
    """Return whether a proper subset of the events is a cut set already."""
    return any(
        part in smaller for size in range(1, len(wider)) for part in combinations(wider, size)
    )


def _order(events: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    return len(events), events
