"""The lease of a running job: renewed during the work, which is cancelled if the lease is lost."""

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
"""Renewals per lease duration."""


class LeaseLostError(Exception):
    """Another attempt has the job, or may have it: this one's result does not count."""


class Lease:
    """One attempt's hold on a job."""

    def __init__(
        self, store: JobTransactions, job: Job, clock: Clock, *, seconds: float, since: float
    ) -> None:
        """Take over a claim made after `since` (event loop time), so that it ends here first."""
        self._store, self._job, self._clock, self._seconds = store, job, clock, seconds
        self._done = job.done
        self._ends = asyncio.timeout_at(since + seconds)

    @property
    def job(self) -> Job:
        """The job, with the reported progress."""
        return replace(self._job, done=self._done)

    async def hold(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run `work`; cancel it and raise LeaseLostError if the lease is lost."""
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
        """Record progress (a Report); raise LeaseLostError if the lease is lost."""
        self._done = done
        if not await self._extend():
            raise LeaseLostError

    async def release(self, after: Job) -> None:
        """Store the job's new state, retrying while the database is unreachable.

        Raise LeaseLostError if the lease was lost.
        """
        while True:
            try:
                kept = await self._store.release(after)
            except (UnavailableError, OSError) as error:
                log.warning("job_not_released_yet", job_id=after.id, error=str(error))
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
        """Prolong the lease; return whether it is held, as far as is known."""
        now = asyncio.get_running_loop().time()
        until = self._clock() + int(self._seconds * NS_PER_SECOND)
        try:
            held = await self._store.extend(self._job, until=until, done=self._done)
        except (UnavailableError, OSError) as error:
            # The next renewal may succeed before the lease ends.
            log.warning("lease_not_renewed", job_id=self._job.id, error=str(error))
            return True
        if held and not self._ends.expired():
            self._ends.reschedule(now + self._seconds)
        return held
