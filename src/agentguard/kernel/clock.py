"""Time as a value: what needs it gets a clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], int]
"""Returns ns since the Unix epoch."""

NS_PER_MICROSECOND = 1000
NS_PER_SECOND = 1_000_000_000
NS_PER_HOUR = 3600 * NS_PER_SECOND


def system_clock() -> int:
    """Return the time to the microsecond, which is what databases keep.

    A time that was stored is the same time when it is read.
    """
    return time.time_ns() // NS_PER_MICROSECOND * NS_PER_MICROSECOND


def timestamp(moment: int) -> str | None:
    """Return nanoseconds since the epoch as ISO 8601, or None for 0 (unknown)."""
    if moment <= 0:
        return None
    seconds, rest = divmod(moment, NS_PER_SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
