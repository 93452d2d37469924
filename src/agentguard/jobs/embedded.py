"""Runs jobs in this process, one after another."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog

from agentguard.compute.tasks import wait_at_most
from agentguard.jobs.attempts import Attempts, Later
from agentguard.jobs.dispatch import DeadLetter, NoDeadLettersError
from agentguard.jobs.model import Job
from agentguard.kernel.clock import NS_PER_HOUR, NS_PER_SECOND

log = structlog.get_logger(__name__)

WITHOUT_BROKER = "CELERY_BROKER_URL is not set"


@dataclass(frozen=True, slots=True)
class EmbeddedRunner:
    """A JobDispatcher without a broker; after a restart the sweep delivers the jobs again."""

    attempts: Attempts
    _due: dict[str, int] = field(default_factory=dict)
    """Job → when to try it, in the order of delivery."""
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def deliver(self, job: Job) -> None:
        self._due.setdefault(job.id, job.due_at)
        self._wake.set()

    async def ping(self) -> None:
        return

    async def dead_letters(self) -> tuple[DeadLetter, ...]:
        raise NoDeadLettersError(WITHOUT_BROKER)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._wake.clear()
            if not await self.run_next():
                await wait_at_most(self._wake, self._pause() / NS_PER_SECOND)

    async def run_next(self) -> bool:
        """Run the job that has been due longest; return whether there was one."""
        job_id = min(self._due, key=lambda known: self._due[known], default=None)
        if job_id is None or self._due[job_id] > self.attempts.clock():
            return False
        del self._due[job_id]
        try:
            outcome = await self.attempts.run(job_id)
        # The outermost frame of a loop: the next job runs, and the sweep delivers this one again.
        except Exception:
            log.exception("attempt_failed", job_id=job_id)
            return True
        if isinstance(outcome, Later):
            self._due[job_id] = outcome.at
        return True

    def _pause(self) -> int:
        return max(
            0,
            min(self._due.values(), default=self.attempts.clock() + NS_PER_HOUR)
            - self.attempts.clock(),
        )
