"""Random bits of any probability: 64 trials in a machine word.

Counter-based: a bit is a function of the seed, the key of what it is drawn for and the number of
the trial, and of nothing else. It is therefore the same in every scenario, in any order, in any
block of trials and on any number of threads. Of two probabilities for one key, the larger one's
bits include the smaller one's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agentguard.compute.arrays import U64

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)

_BITS = 32
"""Probabilities are multiples of 2^-32."""
_DENSE = 8
"""Binary digits compared for whole words; after these, one trial in 256 is still undecided."""
_REST = _BITS - _DENSE
_PER_WORD = 128
"""Hashes reserved for a word: one per digit, then one per trial."""
_GOLDEN = 0x9E37_79B9_7F4A_7C15
_FIRST, _SECOND = np.uint64(0xBF58_476D_1CE4_E5B9), np.uint64(0x94D0_49BB_1331_11EB)


def trial_keys(keys: U64, seed: int, salt: int) -> U64:
    """Return the start of each key's own sequence of random numbers."""
    start = np.random.SeedSequence([seed, salt]).generate_state(1, np.uint64)[0]
    return _mixed(keys ^ start)


def levels(chance: NDArray[np.float64]) -> U64:
    """Return probabilities as multiples of 2^-32, for `draw`."""
    return np.rint(np.clip(chance, 0.0, 1.0) * 2.0**_BITS).astype(np.uint64)


def draw(keys: U64, level: U64, words: U64) -> U64:
    """Return (keys, words): for each key and trial whether the event of its probability happens.

    `keys` come from `trial_keys`; `level`, from `levels`, is (keys, 1), or (keys, words) for a
    probability per word. `words` numbers the words of the trials.

    Compares a random number with the probability digit by digit, 64 trials at a time, as long as
    any is undecided: about nine hashes for 64 trials.
    """
    base = keys[:, None] + words * _times(_PER_WORD)
    happens = np.zeros_like(base)
    undecided = np.full_like(base, ALL)
    random, spare = np.empty_like(base), np.empty_like(base)
    for digit in range(_DENSE):
        np.add(base, _times(digit), out=random)
        _mix(random, spare)
        random &= undecided
        one = np.uint64(0) - (level >> np.uint64(_BITS - 1 - digit) & np.uint64(1))
        np.bitwise_and(random, one, out=spare)
        happens |= spare
        undecided &= one
        undecided ^= random
    _decide(happens, undecided, base, level & np.uint64(2**_REST - 1))
    happens[np.broadcast_to(level >> np.uint64(_BITS) != 0, happens.shape)] = ALL
    return happens


def _decide(happens: U64, undecided: U64, base: U64, rest: U64) -> None:
    """Set what the remaining digits say, one hash for each undecided trial."""
    flat = happens.reshape(-1)
    place = np.flatnonzero(undecided)
    left, start = undecided.reshape(-1)[place], base.reshape(-1)[place]
    limit = np.broadcast_to(rest, happens.shape).reshape(-1)[place]
    while len(place):
        lowest = left & (~left + np.uint64(1))
        hit = _random(start, lowest) >> np.uint64(64 - _REST) < limit
        flat[place[hit]] |= lowest[hit]
        left ^= lowest
        more = np.flatnonzero(left)
        place, left, start, limit = place[more], left[more], start[more], limit[more]


def _random(start: U64, lowest: U64) -> U64:
    """Return a hash for each single bit that is set."""
    trial = np.bitwise_count(lowest - np.uint64(1)).astype(np.uint64)
    return _mixed(start + (trial + np.uint64(_DENSE)) * np.uint64(_GOLDEN))


def _times(number: int) -> np.uint64:
    return np.uint64(number * _GOLDEN & int(ALL))


def _mixed(values: U64) -> U64:
    found = np.array(values, dtype=np.uint64)
    _mix(found, np.empty_like(found))
    return found


def _mix(values: U64, spare: U64) -> None:
    """Hash in place: the finalizer of SplitMix64 (Steele, Lea, Flood 2014)."""
    np.right_shift(values, np.uint64(30), out=spare)
    values ^= spare
    values *= _FIRST
    np.right_shift(values, np.uint64(27), out=spare)
    values ^= spare
    values *= _SECOND
    np.right_shift(values, np.uint64(31), out=spare)
    values ^= spare
