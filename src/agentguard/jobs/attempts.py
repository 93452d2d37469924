"""One attempt at a job, in any process: claimed, run under a lease, released once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

import structlog

from agentguard.accounts.principal import system_principal
from agentguard.jobs.lease import Lease, LeaseLostError
from agentguard.jobs.model import Job, JobError
from agentguard.jobs.transactions import JobTransactions
from agentguard.kernel.clock import NS_PER_SECOND, Clock
from agentguard.kernel.errors import AgentGuardError, UnavailableError

log = structlog.get_logger(__name__)

JOBS = system_principal("jobs")
"""Who runs jobs, in a server as in a worker; a job names who submitted it."""

Report: TypeAlias = Callable[[int], Awaitable[None]]
JobFunction: TypeAlias = Callable[[Job, Report], Awaitable[Mapping[str, Any]]]
"""Does the job and returns its result (plain JSON); reports progress.

It may run again after an interruption anywhere, so it must be idempotent. Reporting checks that
this attempt still holds the job and ends it otherwise, so it reports just before it stores
something. An UnavailableError or OSError is transient: the job is tried again. Any other
AgentGuardError is the job's result.
"""

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1, 60


async def _nothing(_job: Job) -> None:
    return


@dataclass(frozen=True, slots=True)
class Work:
    """The functions for jobs of one kind."""

    run: JobFunction
    clear: Callable[[Job], Awaitable[None]] = _nothing
    """Called when a job has ended, to delete what only it needed; not if the process dies then."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The job has ended, now or earlier."""


@dataclass(frozen=True, slots=True)
class Later:
    """The job cannot be started yet."""

    at: int
    """ns."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The job has failed in its last attempt."""


Outcome: TypeAlias = Ended | Later | GivenUp


class Tries(Protocol):
    """Runs attempts in synchronous code."""

    def run(self, job_id: str) -> Outcome:
        """Do as `Attempts.run`; if the process is ended meanwhile, give the job back first."""

    def close(self) -> None:
        """Close what was opened, before the process ends; harmless if nothing was."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """Runs attempts at jobs."""

    store: JobTransactions
    works: Mapping[str, Work]
    """The explicit table: kind → functions."""
    clock: Clock
    most: int
    """Attempts per job."""
    lease_seconds: float

    async def run(self, job_id: str) -> Outcome:
        """Run an attempt if the job can be claimed, and return what comes next.

        Cancelling gives the job back. Raises UnknownJobError, and UnavailableError where the
        database is unreachable.
        """
        began, now = asyncio.get_running_loop().time(), self.clock()
        job = await self._claimed(job_id, now)
        if job is None:
            return await self._unclaimed(await self.store.get(job_id))
        log.info("job_started", job_id=job.id, kind=job.kind, attempt=job.attempts)
        lease = Lease(self.store, job, self.clock, seconds=self.lease_seconds, since=began)
        try:
            return await lease.hold(lambda: self._released(job, lease))
        except LeaseLostError:
            log.warning("job_lease_lost", job_id=job.id, attempt=job.attempts)
            return await self._unclaimed(await self.store.get(job_id))
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(job))
            raise

    async def clear(self, job: Job) -> None:
        """Delete what only this job needed, now that it has ended."""
        if job.kind not in self.works:
            return
        try:
            await self.works[job.kind].clear(job)
        except OSError:
            log.warning("job_not_cleared", job_id=job.id, exc_info=True)

    async def _claimed(self, job_id: str, now: int) -> Job | None:
        """Claim the job; a claim cancelled on its way is waited for and given back."""
        claiming = asyncio.ensure_future(self.store.claim(job_id, now=now, until=now + self._lease))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back_once(claiming))
            raise

    async def _unclaimed(self, job: Job) -> Outcome:
        """Clear a job that ended elsewhere: it was cancelled, or its process died before that."""
        if job.state.final:
            await self.clear(job)
        return self._waiting(job)

    def _waiting(self, job: Job) -> Outcome:
        return Ended() if job.state.final else Later(max(job.due_at, self.clock() + NS_PER_SECOND))

    async def _released(self, job: Job, lease: Lease) -> Outcome:
        after, outcome = await self._tried(job, lease)
        await lease.release(after)
        log.info("job_attempt_ended", job_id=job.id, state=after.state.value, attempt=job.attempts)
        if after.state.final:
            await self.clear(after)
        return outcome

    async def _tried(self, job: Job, lease: Lease) -> tuple[Job, Outcome]:
        if job.kind not in self.works:
            return self._not_ours(job)
        return (
            self._interrupted(job) if job.attempts > self.most else await self._worked(job, lease)
        )

    def _not_ours(self, job: Job) -> tuple[Job, Outcome]:
        """Leave the job of a newer version to a process that knows its kind."""
        log.warning("job_of_unknown_kind", job_id=job.id, kind=job.kind)
        due_at = self.clock() + self._lease
        return job.give_back(due_at), Later(due_at)

    async def _worked(self, job: Job, lease: Lease) -> tuple[Job, Outcome]:
        try:
            result = await self.works[job.kind].run(job, lease.report)
        except LeaseLostError:
            raise
        except (UnavailableError, OSError) as error:
            return self._after_trouble(lease.job, error)
        except AgentGuardError as error:
            return lease.job.fail(JobError(error.code, str(error)), self.clock()), Ended()
        # The outermost frame of a job: whatever happened, the job fails and the process goes on.
        except Exception:
            log.exception("job_crashed", job_id=job.id)
            return lease.job.fail(_INTERNAL, self.clock()), Ended()
        return lease.job.succeed(result, self.clock()), Ended()

    def _after_trouble(self, job: Job, error: Exception) -> tuple[Job, Outcome]:
        if job.attempts < self.most:
            log.warning("job_attempt_failed", job_id=job.id, attempt=job.attempts, exc_info=error)
            due_at = self.clock() + backoff(job.attempts)
            return job.try_again(due_at, due_at + self._lease), Later(due_at)
        log.error("job_attempts_exhausted", job_id=job.id, attempt=job.attempts, exc_info=error)
        reason = (
            JobError(error.code, str(error)) if isinstance(error, AgentGuardError) else _INTERNAL
        )
        return job.fail(reason, self.clock()), GivenUp()

    def _interrupted(self, job: Job) -> tuple[Job, Outcome]:
        """Fail the job: the lease of its last attempt has expired."""
        message = (
            f"The worker was killed or became unreachable in each of {self.most} attempts. Submit"
            " smaller inputs."
        )
        return (
            replace(job, attempts=self.most).fail(JobError("interrupted", message), self.clock()),
            GivenUp(),
        )

    async def _give_back_once(self, claiming: asyncio.Future[Job | None]) -> None:
        await asyncio.wait([claiming])
        job = None if claiming.exception() else claiming.result()
        if job is not None:
            await self._give_back(job)

    async def _give_back(self, job: Job) -> None:
        """Release the job: a graceful shutdown is no failed attempt."""
        try:
            await self.store.release(job.give_back(self.clock()))
            log.info("job_requeued", job_id=job.id)
        except (UnavailableError, OSError) as error:
            log.warning("job_not_requeued", job_id=job.id, error=str(error))  # its lease runs out

    @property
    def _lease(self) -> int:
        return int(self.lease_seconds * NS_PER_SECOND)


_INTERNAL = JobError(
    "internal", "The job failed unexpectedly. See the worker's log for the reason."
)


def backoff(attempt: int) -> int:
    """Return the pause after so many failed attempts, in ns: 1 s, 2 s, 4 s … at most 60 s."""
    return min(_FIRST_PAUSE_SECONDS << (attempt - 1), _LONGEST_PAUSE_SECONDS) * NS_PER_SECOND
