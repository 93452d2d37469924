"""The port to rate limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Quota:
    """A client's quota after a request."""

    admitted: bool
    """Whether the request is admitted. A rejected request is not counted."""
    limit: int
    """Requests per moving minute."""
    left: int
    """Requests remaining in the current window."""
    seconds: float
    """Time until the oldest counted request leaves the window; above 0, at most 60."""


def until_there_is_room(oldest: float, now: float) -> float:
    """Return the seconds until the oldest counted request leaves the window.

    The result is clamped to (0, 60], in case the clocks of two processes disagree.
    """
    return min(max(oldest + WINDOW_SECONDS - now, 0.001), WINDOW_SECONDS)


class RateLimits(Protocol):
    """Counts requests per client; no 60-second interval admits more than the limit."""

    async def admit(self, client: str) -> Quota:
        """Count one request of this client, if it is within the limit.

        All processes share one count. While the shared store is unavailable, each process counts
        for itself, starting at zero. Never raises.
        """
