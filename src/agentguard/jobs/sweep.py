"""Delivers waiting jobs, again and again until they have ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import structlog

from agentguard.compute.tasks import wait_at_most
from agentguard.jobs.dispatch import DELIVERY_LIMIT, JobDispatcher, NoDeadLettersError
from agentguard.jobs.model import Job, JobError
from agentguard.jobs.store import LONGEST_PATIENCE
from agentguard.jobs.transactions import JobTransactions
from agentguard.kernel.clock import NS_PER_SECOND, Clock
from agentguard.kernel.errors import UnavailableError

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0


@dataclass(slots=True)
class Sweep:
    """Looks for jobs to deliver, regularly and when woken.

    Any number of processes may sweep: one of them makes each delivery.
    """

    store: JobTransactions
    dispatcher: JobDispatcher
    clock: Clock
    lease_seconds: float
    clear: Callable[[Job], Awaitable[None]]
    """Deletes what only an ended job needed."""
    failure: str | None = None
    """Why the last look failed; None if it succeeded."""
    _last_logged: str | None = field(default=None, init=False)
    """The failure that was logged since the last delivery."""
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def wake(self) -> None:
        """Look at once."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._wake.clear()
            await self._sweep()
            await wait_at_most(self._wake, _LOOK_SECONDS)

    async def sweep(self) -> None:
        """Deliver all due jobs; raise BrokerUnavailableError if the broker is unreachable."""
        now = self.clock()
        waiting = await self.store.undelivered(now)
        buried = await self._bury([job for job in waiting if job.due_at + self._lease <= now], now)
        for job in waiting:
            if job.id not in buried:
                await self._deliver(job, now)

    async def _bury(self, overdue: list[Job], now: int) -> set[str]:
        """Fail the jobs that the broker gave up, and return their ids: a retry would fail too."""
        if not overdue:
            return set()
        try:
            letters = await self.dispatcher.dead_letters()
        except NoDeadLettersError:
            return set()
        dead = {letter.job_id for letter in letters if letter.reason == DELIVERY_LIMIT} & {
            job.id for job in overdue
        }
        for job_id in dead:
            failed = await self.store.fail(job_id, _DELIVERY_LIMIT, now)
            if failed is not None:
                log.warning("job_dead_lettered", job_id=job_id)
                await self.clear(failed)
        return dead

    async def _deliver(self, job: Job, now: int) -> None:
        again = now + self._patience(job, now)
        if not await self.store.postpone(job, again):
            return
        try:
            await self.dispatcher.deliver(job)
            self._last_logged = None
        except UnavailableError:
            # The next look, of any process, tries again.
            await self.store.postpone(replace(job, deliver_at=again), now)
            raise

    def _patience(self, job: Job, now: int) -> int:
        """Return how long to wait for a claim before the next delivery, in ns.

        It grows, so that workers that come back find few deliveries.
        """
        return min(max(now - job.due_at, self._lease), LONGEST_PATIENCE)

    @property
    def _lease(self) -> int:
        return int(self.lease_seconds * NS_PER_SECOND)

    async def _sweep(self) -> None:
        try:
            await self.sweep()
            self.failure = None
        except (UnavailableError, OSError) as error:  # it may pass: the next look tries again
            self.failure = type(error).__name__
            if self._last_logged != self.failure:  # logged once, not every second
                log.warning("jobs_not_delivered", error=str(error))
            self._last_logged = self.failure
        # The outermost frame of a loop: the next look tries again.
        except Exception as error:
            log.exception("sweep_failed")
            self.failure = type(error).__name__


_DELIVERY_LIMIT = JobError(
    "worker-died",
    "Every worker died before it could start this job. See the workers' logs, then resubmit it.",
)
