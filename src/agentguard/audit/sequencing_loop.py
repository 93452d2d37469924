"""The loop that sequences the audit log, in one of several processes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from agentguard.audit.sequencing import Sequencer
from agentguard.coordination.turns import Turn
from agentguard.kernel.errors import AgentGuardError, UnavailableError

log = structlog.get_logger(__name__)

SEQUENCING = "audit-sequencing"
"""The name of the lease."""
_EVERY_SECONDS = 1.0
"""From the beginning of one round to that of the next, unless a round takes longer."""


@dataclass(slots=True)
class SequencingLoop:
    """Sequences the log every second, in the process that holds the lease.

    The others remember what it signs, so that any of them can notice a rewritten database.
    """

    sequencer: Sequencer
    turn: Turn
    problem: str | None = None
    """Why the last round failed."""

    async def run(self) -> None:
        """Work until cancelled."""
        async with self.turn.kept():
            clock = asyncio.get_running_loop().time
            while True:
                begun = clock()
                await self._run_once()
                await asyncio.sleep(max(0.0, begun + _EVERY_SECONDS - clock()))

    async def _run_once(self) -> None:
        try:
            if await self.turn.hold():
                await self.sequencer.run_once()
            else:
                await self.sequencer.follow()
            self.problem = None
        except (UnavailableError, OSError) as error:
            log.warning("audit_sequencing_postponed", error=str(error))
            self.problem = str(error)
        except AgentGuardError as error:
            if self.problem != str(error):
                log.warning("audit_log_not_sequenced", error=str(error))
            self.problem = str(error)
        # The outermost frame of a loop: the next round tries again.
        except Exception as error:
            log.exception("audit_sequencing_failed")
            self.problem = str(error)
