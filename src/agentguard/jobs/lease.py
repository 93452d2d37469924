"""Holding a job.

A lease that is renewed while the work goes on, and that ends the work when somebody else has the
job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import structlog

from agentguard.compute.tasks import task_group
from agentguard.jobs.model import Job
from agentguard.jobs.transactions import JobTransactions
from agentguard.kernel.clock import NS_PER_SECOND, Clock
from agentguard.kernel.errors import UnavailableError

log = structlog.get_logger(__name__)

T = TypeVar("T")

_RENEWALS = 3
"""Tries to renew in the time of one lease."""


class LeaseLostError(Exception):
    """Somebody else has the job, or may have it: what this attempt found does not count."""


class Lease:
    """One attempt's hold on a job."""

    def __init__(
        self, store: JobTransactions, job: Job, clock: Clock, *, seconds: float, since: float
    ) -> None:
        """Of a job that was claimed after `since`, by the event loop's clock.

        So it ends here before anybody else may begin.
        """
        self._store, self._job, self._clock, self._seconds = store, job, clock, seconds
        self._done = job.done
        self._ends = asyncio.timeout_at(since + seconds)

    @property
    def job(self) -> Job:
        """The job, with what was reported of it."""
        return replace(self._job, done=self._done)

    async def hold(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do the work and return or raise what it does.

        Raise LeaseLostError, the work cancelled, as soon as the job is not ours.
        """
        try:
            async with self._ends, task_group() as tasks:
                renewing = tasks.create_task(self._renew())
                try:
                    return await work()
                finally:
                    renewing.cancel()
        except TimeoutError:
            if self._ends.expired():
                raise LeaseLostError from None
            raise

    async def report(self, done: int) -> None:
        """Note how much is done (a Report).

        Raise LeaseLostError if the job is not ours any more.
        """
        self._done = done
        if not await self._extend():
            raise LeaseLostError

    async def release(self, after: Job) -> None:
        """Keep what became of the job, trying again while the store is away.

        Raise LeaseLostError if it was not ours any more.
        """
        while True:
            try:
                kept = await self._store.release(after)
            except (UnavailableError, OSError) as error:
                log.warning("job_not_settled_yet", job_id=after.id, error=str(error))
                await asyncio.sleep(self._seconds / _RENEWALS)
                continue
            if not kept:
                raise LeaseLostError
            return

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / _RENEWALS)
            if not await self._extend() and not self._ends.expired():
                self._ends.reschedule(0)

    async def _extend(self) -> bool:
        """Lease the job for longer; return whether it is ours, as far as is known."""
        now = asyncio.get_running_loop().time()
        until = self._clock() + int(self._seconds * NS_PER_SECOND)
        try:
            held = await self._store.extend(self._job, until=until, done=self._done)
        except (UnavailableError, OSError) as error:
            log.warning(
                "lease_not_renewed", job_id=self._job.id, error=str(error)
            )  # it may still be next time, before it ends
            return True
        if held and not self._ends.expired():
            self._ends.reschedule(now + self._seconds)
        return held
