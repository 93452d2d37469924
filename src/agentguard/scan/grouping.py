"""Groups of traces by time whose boundaries persist while spans arrive and expire."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from agentguard.compute.arrays import hash_rows

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]

GROUP_SPANS = 20_000
"""A group with more spans is split into groups of half as many."""
_SPREAD_BITS = 27
"""2**27 ns are 0.13 s."""
_LATEST = 2**62


def boundaries(time: I64, spans: I64, known: I64, most: int) -> I64:
    """Return the times at which groups begin, except the first group.

    `time` (n,) is the time of each trace (see times) and `spans` (n,) its size; `known` are the
    boundaries so far. They stay, except beside groups that are much smaller than `most`, and are
    added where a group exceeds it: so new spans change few groups.
    """
    kept = _without_small(known, _sizes(time, spans, known), most // 2)
    group = group_of(time, kept)
    large = [code for code, size in enumerate(_sizes(time, spans, kept)) if size > most]
    added = [_split(time[group == code], spans[group == code], most // 2) for code in large]
    return np.unique(np.concatenate([kept, *added]))


def times(start: I64, word: U64) -> I64:
    """Return a time for each trace by which to group it: its start, and up to 0.13 s more.

    The word of its id decides how much, so that traces which start together need not stay together.
    """
    more = hash_rows(word) >> np.uint64(64 - _SPREAD_BITS)
    return np.minimum(start, _LATEST) + more.astype(np.int64)


def group_of(time: I64, bounds: I64) -> I64:
    """Return the number of the group in which each trace is."""
    return np.searchsorted(bounds, time, side="right")


def _sizes(time: I64, spans: I64, bounds: I64) -> list[int]:
    sizes = np.bincount(group_of(time, bounds), spans, len(bounds) + 1)
    return list(map(int, sizes.tolist()))


def _without_small(bounds: I64, sizes: list[int], enough: int) -> I64:
    """Return the boundaries between groups that are not small enough to be one."""
    kept, left = [], sizes[0]
    for bound, (_, right) in zip(bounds.tolist(), pairwise(sizes), strict=True):
        if left and right and left + right > enough:
            kept.append(bound)
            left = right
        else:
            left += right
    return np.array(kept, np.int64)


def _split(time: I64, spans: I64, size: int) -> I64:
    """Return the times at which groups of about this size begin; a time with more has its own."""
    distinct, place = np.unique(time, return_inverse=True)
    at_once = np.bincount(place, spans).astype(np.int64)
    before = np.cumsum(at_once) - at_once
    begins = (np.diff(before // size) > 0) | (at_once[1:] > size)
    return distinct[1:][begins]
