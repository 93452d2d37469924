"""Time as a value: what needs it gets a clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

Clock: TypeAlias = Callable[[], int]
"""Returns ns since the Unix epoch."""

NS_PER_MICROSECOND = 1000
NS_PER_SECOND = 1_000_000_000
NS_PER_HOUR = 3600 * NS_PER_SECOND


def system_clock() -> int:
    """Return the time to the microsecond, which is what databases keep: a time that was stored is the same time when it is read."""
    return time.time_ns() // NS_PER_MICROSECOND * NS_PER_MICROSECOND
