"""Keeps the span store in order while deliveries come in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog

from agentguard.compute.tasks import wait_at_most
from agentguard.kernel.clock import Clock
from agentguard.traces.store import SpanStore

log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 0.5
_IDLE_SECONDS = 60.0


@dataclass(slots=True)
class Compactor:
    """Settles what arrived, and deletes what is too old."""

    spans: SpanStore
    arrived: asyncio.Event
    """Set by whoever appends."""
    clock: Clock
    retention: int
    """ns."""
    compacted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the windows may have changed."""
    failure: str | None = None
    """Why the last round failed, or None if it did not."""

    async def run(self) -> None:
        """Work until cancelled: at once when spans arrive, at least every minute."""
        self.compacted.set()
        while True:
            await self._tidy()
            await asyncio.sleep(_PAUSE_SECONDS)
            await wait_at_most(self.arrived, _IDLE_SECONDS)

    async def tidy(self) -> None:
        """Settle and expire once."""
        self.arrived.clear()
        changed = await self.spans.compact()
        expired = await self.spans.expire(self.clock() - self.retention)
        if changed or expired:
            self.compacted.set()

    async def _tidy(self) -> None:
        try:
            await self.tidy()
            self.failure = None
        # The outermost frame of this loop. Whatever it was, a full disk or a dead worker: the log
        # keeps everything until a later round.
        except Exception as error:
            log.exception("settling_failed")
            self.failure = type(error).__name__
            self.arrived.set()
            await asyncio.sleep(_PAUSE_SECONDS * 10)
