"""The port to rate limits."""

from __future__ import annotations

from typing import Protocol


class RateLimits(Protocol):
    """Counts requests by client over a moving minute."""

    async def admit(self, client: str) -> float | None:
        """Count one request; return None where it may go on, or the seconds after which to try again.

        Where the count that processes share is away, each counts for itself. Never raises.
        """
