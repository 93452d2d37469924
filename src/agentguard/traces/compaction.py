"""Background compaction of the span store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog

from agentguard.compute.tasks import wait_at_most
from agentguard.kernel.errors import UnavailableError
from agentguard.traces.store import SpanStore

log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 0.5
_IDLE_SECONDS = 60.0


@dataclass(slots=True)
class Compactor:
    """Compacts appended spans."""

    spans: SpanStore
    arrived: asyncio.Event
    """Set after each append."""
    compacted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the windows may have changed."""
    failure: str | None = None
    """Exception type of the last failed round, or None if the last round succeeded."""

    async def run(self) -> None:
        """Run until cancelled: as soon as spans arrive, and at least every minute."""
        self.compacted.set()
        while True:
            await self._run_once()
            await asyncio.sleep(_PAUSE_SECONDS)
            await wait_at_most(self.arrived, _IDLE_SECONDS)

    async def run_once(self) -> None:
        """Compact once."""
        self.arrived.clear()
        if await self.spans.compact():
            self.compacted.set()

    def _note(self, error: Exception) -> None:
        """Log a failure that may pass; once, however long it lasts."""
        kind = type(error).__name__
        if self.failure != kind:
            log.error("compaction_failed", error=str(error))
        self.failure = kind

    async def _run_once(self) -> None:
        try:
            await self.run_once()
            self.failure = None
        except (UnavailableError, OSError) as error:
            self._note(error)
            await self._try_again()
        # Outermost frame of this loop. After any failure the write-ahead log keeps the spans until
        # a later round succeeds.
        except Exception as error:
            log.exception("compaction_failed")
            self.failure = type(error).__name__
            await self._try_again()

    async def _try_again(self) -> None:
        self.arrived.set()
        await asyncio.sleep(_PAUSE_SECONDS * 10)
