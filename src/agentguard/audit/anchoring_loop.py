"""The loop that lets anchors go on, in one of several processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from agentguard.audit.anchoring_rounds import Anchoring
from agentguard.coordination.turns import Turn
from agentguard.kernel.errors import UnavailableError

log = structlog.get_logger(__name__)

ANCHORING_LEASE = "audit-anchoring"
_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class AnchoringLoop:
    """Submits a job when a round has something to do, in the process that holds the lease.

    What an anchor may do twice is decided by the database, not by the lease.
    """

    anchoring: Anchoring
    turn: Turn
    submit: Callable[[], Awaitable[object]]
    """Queues a job that runs one round, unless one is queued or runs. Raises UnavailableError."""

    async def run(self) -> None:
        """Work until cancelled."""
        pause = min(self.anchoring.intervals.poll, _LONGEST_PAUSE_SECONDS)
        async with self.turn.kept():
            while True:
                await self._run_once()
                await asyncio.sleep(pause)

    async def _run_once(self) -> None:
        try:
            if await self.turn.hold() and await self.anchoring.is_due():
                await self.submit()
        except (UnavailableError, OSError) as error:
            log.warning("anchoring_postponed", error=str(error))
        # The outermost frame of a loop: the next round tries again.
        except Exception:
            log.exception("anchoring_failed")
