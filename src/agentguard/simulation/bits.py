"""Many draws at once: one bit per draw, 64 draws in a machine word.

What is drawn depends on the hash of what it is drawn for and on the seed: neither on the order of
rows nor on the scenario.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from agentguard.compute.arrays import U64
from agentguard.simulation.bernoulli import ALL

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRAWS = 256
"""Draws of what is not known. A share of them is exact to 0.4 %."""
WORDS = DRAWS // 64
LEVELS = 256
"""Probabilities of single calls are multiples of 1/256."""
_BITS = 8
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ONE = np.uint64(1)


def mixed(keys: U64, seed: int, salt: int, places: int | range = 0) -> U64:
    """Return a hash per key, and of several places one per place in a further dimension.

    SplitMix64's finalizer (Steele, Lea, Flood 2014).
    """
    at = np.asarray(places, np.uint64)
    z: U64 = (keys.reshape(keys.shape + (1,) * at.ndim) ^ _start(seed, salt)) + (
        at + _ONE
    ) * _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


@lru_cache(maxsize=64)
def _start(seed: int, salt: int) -> np.uint64:
    return np.uint64(np.random.SeedSequence([seed, salt]).generate_state(1, np.uint64)[0])


def stratified(keys: U64, seed: int, salt: int) -> NDArray[np.float64]:
    """Return (keys, draws) numbers in (0, 1), of each key one in every 1/256, in its own order.

    Latin hypercube sampling (McKay, Beckman, Conover 1979): the mean over the draws of a function
    of one key alone is almost exact.
    """
    order = mixed(keys, seed, salt, range(DRAWS)).argsort(axis=-1, kind="stable")
    found = np.empty(order.shape)
    middles = np.broadcast_to((np.arange(DRAWS) + 0.5) / DRAWS, order.shape)
    np.put_along_axis(found, order, middles, axis=-1)
    return found


def stratified_within(
    keys: U64, quantiles: NDArray[np.float64], seed: int, salt: int
) -> NDArray[np.float64]:
    """Return (keys, draws) numbers as `stratified` does, and so also among similar quantiles.

    `quantiles` (keys, draws) are those of another unknown that each key depends on, from
    `stratified`. The square of both is cut into 16 x 16 parts of one draw each (an orthogonal
    array; Tang 1993), so that the mean of a function of both is almost exact as well.
    """
    side = math.isqrt(DRAWS)
    random = mixed(keys, seed, salt, range(2 * DRAWS)).reshape(len(keys), 2, side, side)
    coarse = random[:, 0].argsort(axis=-1).argsort(axis=-1)
    fine = random[:, 1].argsort(axis=1).argsort(axis=1)
    numbers = coarse * side + np.take_along_axis(fine, coarse, axis=-1)
    at = (quantiles * DRAWS).astype(np.int64)
    found = np.take_along_axis(numbers.reshape(len(keys), DRAWS), at, axis=-1)
    return (found + 0.5) / DRAWS


def packed(draws: NDArray[np.bool_]) -> U64:
    """Return (…, draws) as (…, words)."""
    return np.packbits(draws, axis=-1, bitorder="little").view(np.uint64)


def unpacked(words: U64) -> NDArray[np.uint8]:
    """Return (…, words) as (…, draws) of 0 and 1."""
    return np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=-1, bitorder="little")


def count(words: U64) -> NDArray[np.int64]:
    """Return how many draws are set, by row."""
    found: NDArray[np.int64] = np.bitwise_count(words).sum(axis=-1, dtype=np.int64)
    return found


def all_set(shape: tuple[int, ...]) -> U64:
    """Return words with every draw set."""
    return np.full(shape, ALL, np.uint64)


def planes(chance: NDArray[np.float64]) -> U64:
    """Return (n, draws) probabilities as (n, 1 + bits, words), for `drawn`.

    The first plane says where the probability is 1, the others are its binary digits.
    """
    level = np.rint(np.clip(chance, 0.0, 1.0) * LEVELS).astype(np.int64)
    digits = [packed((level >> bit & 1).astype(np.bool_)) for bit in range(_BITS)]
    return np.stack([packed(level == LEVELS), *digits], axis=1)


def drawn(keys: U64, probabilities: U64, seed: int, salt: int) -> U64:
    """Return (n, words): for each key and draw whether the event of this probability happens.

    Compares a random number with the probability digit by digit, 64 draws at a time.
    """
    below = np.zeros((len(keys), WORDS), np.uint64)
    for bit in range(_BITS):
        digit = probabilities[:, 1 + bit]
        random = mixed(keys, seed, salt, range(bit * WORDS, (bit + 1) * WORDS))
        below = (digit & ~random) | (~(digit ^ random) & below)
    return below | probabilities[:, 0]


def sum_by(words: U64, group: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return (size, draws): in how many rows of each group each draw is set."""
    total = np.zeros((size, words.shape[-1] * 64), np.int64)
    order = np.argsort(group, kind="stable")
    for part in np.array_split(order, max(1, len(order) // 20_000)):
        if len(part):
            groups, first = np.unique(group[part], return_index=True)
            total[groups] += np.add.reduceat(unpacked(words[part]), first, axis=0, dtype=np.int64)
    return total


def any_by(words: U64, first: NDArray[np.int64]) -> U64:
    """Return the union of the rows of each group; `first` are the groups' first rows, in order."""
    if not len(first):
        return np.zeros((0, words.shape[-1]), np.uint64)
    return np.bitwise_or.reduceat(words, first, axis=0)
