"""Measures how the cost of a call grows with the size of its input."""

from __future__ import annotations

import time
from collections.abc import Callable

SIZES = (1 << 11, 1 << 12, 1 << 13)
"""n, 2n and 4n characters."""
_MOST_OF_SMALL, _MOST_OF_MIDDLE = 8, 3
"""Linear growth costs 4 times as much at 4n as at n, quadratic 16 times; of 2n, 2 and 4 times."""
_NOISE_SECONDS = 0.0005
"""Below this, a measurement says nothing about growth."""


def grows_superlinearly(call: Callable[[str], object], make: Callable[[int], str]) -> bool:
    """Return whether the call's CPU time at 4n exceeds what linear growth from n and 2n allows.

    Repeated if it does: on a loaded machine a single measurement may be too slow.
    """
    return all(_exceeds(call, make) for _ in range(3))


def _exceeds(call: Callable[[str], object], make: Callable[[int], str]) -> bool:
    small, middle, large = (min(_seconds(call, make(size)) for _ in range(2)) for size in SIZES)
    return large > max(_NOISE_SECONDS, _MOST_OF_SMALL * small, _MOST_OF_MIDDLE * middle)


def _seconds(call: Callable[[str], object], text: str) -> float:
    began = time.thread_time()
    call(text)
    return time.thread_time() - began
