"""Bit sets as Python integers: bit k stands for the k-th of some numbered things."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def bit_matrix(sets: Sequence[int], bits: int) -> NDArray[np.bool_]:
    """Return (sets, bits): whether the bit is set."""
    width = -(-bits // 8)
    packed = b"".join(each.to_bytes(width, "little") for each in sets)
    rows = np.frombuffer(packed, dtype=np.uint8).reshape(len(sets), width)
    return np.unpackbits(rows, axis=1, count=bits, bitorder="little").view(np.bool_)


def bit_counts(sets: Sequence[int], weights: Sequence[int], bits: int) -> NDArray[np.int64]:
    """Return, by bit, the sum of the weights (0 or more) of the sets that contain it.

    Adds all bits at once, with carry-save adders: five operations per different set instead of one
    per bit.
    """
    weight_of: dict[int, int] = defaultdict(int)
    for each, weight in zip(sets, weights, strict=True):
        if each and weight:
            weight_of[each] += weight
    total = np.zeros(bits, np.int64)
    worth, left = 1, list(weight_of.items())
    carries: list[int] = []
    while carries or left:
        at_worth = [each for each, weight in left if weight & 1]
        left = [(each, weight >> 1) for each, weight in left if weight > 1]
        rest, carries = _added([*at_worth, *carries])
        total += worth * bit_matrix(rest, bits).sum(axis=0, dtype=np.int64)
        worth *= 2
    return total


def _added(sets: list[int]) -> tuple[list[int], list[int]]:
    """Return at most two sets, and carries worth twice as much, with the same sum."""
    carries: list[int] = []
    while len(sets) > 2:
        left = sets[len(sets) - len(sets) % 3 :]
        triples = iter(sets)
        for a, b, c in zip(triples, triples, triples, strict=False):
            either = a ^ b
            left.append(either ^ c)
            carries.append(a & b | either & c)
        sets = left
    return sets, carries
