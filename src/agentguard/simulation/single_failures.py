"""What every single failure brings down, thousands of failures in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_

import numpy as np
from numpy.typing import NDArray

from agentguard.compute.bits import bit_counts, bit_matrix
from agentguard.simulation.merging import Merged

AT_ONCE = 8_192
"""Failures in one pass, a bit each. With 1 KiB per node at most, this bounds memory."""


@dataclass(frozen=True, slots=True, eq=False)
class SingleFailures:
    """What each of some failures brings down alone; equal to `failures` of one after another."""

    effect: NDArray[np.int64]
    """Failure, in the order asked for → its effect: failures of one effect take down the same."""
    sizes: NDArray[np.int64]
    """Failure → how many of the counted nodes fail with it, itself excluded."""
    watched: NDArray[np.bool_]
    """(effects, watched nodes): whether the node is one of these failures or fails with them."""


def single_failures(
    plan: Merged, failing: Sequence[int], *, counted: range, watched: range
) -> SingleFailures:
    """Return the effects of each failure alone on the nodes of two ranges.

    Nodes that fail with each other are computed together. One pass over the requirements for
    AT_ONCE different effects, more over groups in cycles. Broken nodes fail in any case and are
    left out. Memory: AT_ONCE bits per node, and effects × watched bytes.
    """
    sets = plan.set_of[np.asarray(failing, np.int64)]
    places, effect = np.unique(sets, return_inverse=True)
    sizes, down = _effects(plan, places, counted, watched)
    itself = np.fromiter((n in counted for n in failing), np.int64, len(failing)) * (sets >= 0)
    return SingleFailures(effect, sizes[effect] - itself, down)


def _effects(
    plan: Merged, places: NDArray[np.int64], counted: range, watched: range
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return, by failing set, the number of counted nodes and which watched ones it takes down."""
    weights = _weights(plan, counted)
    seen = plan.set_of[watched.start : watched.stop]
    known = np.flatnonzero(seen >= 0)
    sizes = np.where(places >= 0, weights[places], 0)
    down = (seen[np.newaxis] == places[:, np.newaxis]) & (seen >= 0)
    spreading = np.flatnonzero((places >= 0) & plan.needed[places])
    for part, fails in _passes(plan, places, spreading):
        sizes[part] = bit_counts(fails, weights.tolist(), len(part))
        down[np.ix_(part, known)] |= bit_matrix([fails[s] for s in seen[known]], len(part)).T
    return sizes, down


def failing_nodes(plan: Merged, failing: Sequence[int]) -> NDArray[np.bool_]:
    """Return (failures, nodes): whether the node is the failure or fails with it alone."""
    every = range(len(plan.set_of))
    found = single_failures(plan, failing, counted=range(0), watched=every)
    return found.watched[found.effect]


def _weights(plan: Merged, counted: range) -> NDArray[np.int64]:
    """Return the number of counted nodes by set."""
    wanted = plan.set_of[counted.start : counted.stop]
    return np.bincount(wanted[wanted >= 0], minlength=len(plan.callees))


def _passes(
    plan: Merged, places: NDArray[np.int64], spreading: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], list[int]]]:
    """Yield up to AT_ONCE of the spreading failures, and by set those of them that it fails with.

    Bit k of a set's number stands for the k-th of the failures.
    """
    for first in range(0, len(spreading), AT_ONCE):
        part = spreading[first : first + AT_ONCE]
        yield part, _spread(plan, {s: 1 << bit for bit, s in enumerate(places[part].tolist())})


def _spread(plan: Merged, own: Mapping[int, int]) -> list[int]:
    """Return the failures by set. What comes before the first failing set cannot fail."""
    fails = [0] * len(plan.callees)
    start = min(own)
    for first, after, cycle in plan.stretches:
        if after > start:
            changed = _settle(plan, own, fails, range(first if cycle else max(first, start), after))
            while cycle and changed:
                changed = _settle(plan, own, fails, range(first, after))
    return fails


def _settle(plan: Merged, own: Mapping[int, int], fails: list[int], sets: range) -> bool:
    """Recompute these sets in order, and return whether one of them changed."""
    known, changed = fails.__getitem__, False
    for s in sets:
        below = map(known, plan.callees[s])
        found = reduce(and_, below) if plan.is_group[s] else reduce(or_, below, own.get(s, 0))
        if found != fails[s]:
            fails[s] = found
            changed = True
    return changed
