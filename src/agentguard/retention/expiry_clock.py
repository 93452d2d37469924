"""The time by which data expires: it does not follow the clock when that jumps ahead.

A clock that is wrong by a month would otherwise delete all data at the next round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import structlog

from agentguard.kernel.clock import NS_PER_HOUR, timestamp

log = structlog.get_logger(__name__)

TOLERATED = NS_PER_HOUR
"""ns. Rounds are a minute apart; a restart takes less than an hour."""
CONFIRMED = 24 * NS_PER_HOUR
"""ns. A clock that is ahead is believed once it has gone on for a day: a wrong one is noticed, and
corrected, before; after a long downtime expiry waits for so long.
"""


@dataclass(frozen=True, slots=True)
class ExpiryClock:
    """What earlier rounds saw of the clock; times in ns."""

    trusted: int
    """The newest time that is not in doubt."""
    ahead_since: int | None = None
    """What the clock showed when it was first found ahead of that; None if it is not."""

    def observe(self, now: int) -> ExpiryClock:
        """Return the state after another look at the clock."""
        if now <= self.trusted + TOLERATED:
            return ExpiryClock(now)
        if self.ahead_since is None or now < self.ahead_since:
            return ExpiryClock(self.trusted, now)
        if now >= self.ahead_since + CONFIRMED:
            return ExpiryClock(now)
        return self


class ExpiryClocks(Protocol):
    """The stored state; every method runs in the caller's transaction."""

    async def get(self) -> ExpiryClock | None:
        """Return the state that was put last; None before the first."""

    async def put(self, seen: ExpiryClock) -> None: ...


class ExpiryStores(Protocol):
    """What looking at the clock needs."""

    @property
    def expiry_clock(self) -> ExpiryClocks: ...


async def expiry_time(stores: ExpiryStores, now: int) -> int:
    """Return the time by which data expires now: this time, or an earlier one if it is in doubt."""
    before = await stores.expiry_clock.get() or ExpiryClock(now)
    seen = before.observe(now)
    await stores.expiry_clock.put(seen)
    if seen.ahead_since is not None and before.ahead_since is None:
        log.warning(
            "clock_jumped",
            now=timestamp(now),
            trusted=timestamp(seen.trusted),
            detail="Expiry goes on by the trusted time until the clock has gone on for a day.",
        )
    return seen.trusted
