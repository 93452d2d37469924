"""Time as integer nanoseconds, from a clock passed as an argument."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], int]
"""Returns ns since the Unix epoch."""

NS_PER_MICROSECOND = 1000
NS_PER_MILLISECOND = 1_000_000
NS_PER_SECOND = 1_000_000_000
NS_PER_HOUR = 3600 * NS_PER_SECOND
NS_PER_DAY = 24 * NS_PER_HOUR
YEAR_10000 = 253_402_300_800 * NS_PER_SECOND


def system_clock() -> int:
    """Return the current time, truncated to the microsecond, the precision of the databases.

    A time therefore survives a round trip through storage unchanged.
    """
    return time.time_ns() // NS_PER_MICROSECOND * NS_PER_MICROSECOND


def milliseconds(duration: float) -> float:
    """Return a duration in ns as milliseconds, exact to the nanosecond."""
    return round(duration / NS_PER_MILLISECOND, 6)


def timestamp(moment: int) -> str | None:
    """Return nanoseconds since the epoch as ISO 8601.

    None for 0 (unknown), and for what is after the year 9999, which has no such form.
    """
    if not 0 < moment < YEAR_10000:
        return None
    seconds, rest = divmod(moment, NS_PER_SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
