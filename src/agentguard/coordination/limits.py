"""The port to rate limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Quota:
    """Where a client stands after a request."""

    admitted: bool
    """Whether the request may go on. One that may not is not counted."""
    limit: int
    """Requests that the moving minute has room for."""
    left: int
    """How many of them are left."""
    seconds: float
    """Until there is room for one more than now, since the oldest request counted leaves the
    minute; above 0, at most 60.
    """


def until_there_is_room(oldest: float, now: float) -> float:
    """Return the seconds after which the oldest request counted has left the minute, whatever the
    clocks that wrote it say.
    """
    return min(max(oldest + WINDOW_SECONDS - now, 0.001), WINDOW_SECONDS)


class RateLimits(Protocol):
    """Counts requests by client over a moving minute.

    In no 60 seconds are more admitted than the limit.
    """

    async def admit(self, client: str) -> Quota:
        """Count one request of this client, where there is room for it.

        The count is one for all processes; where what they share is away, each counts for itself,
        from nothing. Never raises.
        """
