"""One attempt at a job, in whichever process: claimed, worked on under a lease, settled once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

import structlog

from agentguard.jobs.lease import Lease, LeaseLostError
from agentguard.jobs.model import Job, JobError
from agentguard.jobs.transactions import JobTransactions
from agentguard.kernel.clock import NS_PER_SECOND, Clock
from agentguard.kernel.errors import AgentGuardError, UnavailableError

log = structlog.get_logger(__name__)

Report: TypeAlias = Callable[[int], Awaitable[None]]
JobFunction: TypeAlias = Callable[[Job, Report], Awaitable[Mapping[str, Any]]]
"""Does the job and returns its result (plain JSON); reports how much is done.

It may run again after it was cut off anywhere: what it leaves behind must be the same after two
runs as after one. Reporting asks the table whether this attempt still holds the job, and ends it if
not: so it reports just before it leaves something. What it raises decides what happens then: an
UnavailableError or OSError may pass, so it is tried again; any other AgentGuardError is the job's
answer.
"""

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1, 60


async def _nothing(_job: Job) -> None:
    return


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to do for the jobs of one kind."""

    run: JobFunction
    clear: Callable[[Job], Awaitable[None]] = _nothing
    """Called when a job has ended, to delete what only it needed. It is not called where the
    process dies just then.
    """


@dataclass(frozen=True, slots=True)
class Ended:
    """The job has ended, now or before."""


@dataclass(frozen=True, slots=True)
class Later:
    """The job cannot be taken up yet."""

    at: int
    """ns."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The job has failed now, after as many attempts as it may have."""


Outcome: TypeAlias = Ended | Later | GivenUp


class Tries(Protocol):
    """Tries jobs where nothing can be awaited."""

    def run(self, job_id: str) -> Outcome:
        """As `Attempts.run`; what ends the process while it waits gives the job back first."""

    def close(self) -> None:
        """Close what was opened for that, before the process ends. Harmless where nothing was."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """Tries jobs."""

    store: JobTransactions
    works: Mapping[str, Work]
    """The explicit table: kind → what does it."""
    clock: Clock
    most: int
    """How often a job is tried."""
    lease_seconds: float

    async def run(self, job_id: str) -> Outcome:
        """Try the job, if it is to be had, and return what is to be done about it then.

        Cancelling gives the job back. Raises UnknownJobError, and what the store raises while it is
        away.
        """
        began, now = asyncio.get_running_loop().time(), self.clock()
        job = await self._claimed(job_id, now)
        if job is None:
            return self._waiting(await self.store.get(job_id))
        log.info("job_started", job_id=job.id, kind=job.kind, attempt=job.attempts)
        lease = Lease(self.store, job, self.clock, seconds=self.lease_seconds, since=began)
        try:
            return await lease.hold(lambda: self._settled(job, lease))
        except LeaseLostError:
            log.warning("job_lost", job_id=job.id, attempt=job.attempts)
            return self._waiting(await self.store.get(job_id))
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(job))
            raise

    async def clear(self, job: Job) -> None:
        """Delete what only this job needed, now that it has ended.

        Nothing that its end could depend on.
        """
        if job.kind not in self.works:
            return
        try:
            await self.works[job.kind].clear(job)
        except OSError:
            log.warning("job_not_cleared_up_after", job_id=job.id, exc_info=True)

    async def _claimed(self, job_id: str, now: int) -> Job | None:
        """Claim the job; a claim that is cancelled on its way is waited for, and given back."""
        claiming = asyncio.ensure_future(self.store.claim(job_id, now=now, until=now + self._lease))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back_once(claiming))
            raise

    def _waiting(self, job: Job) -> Outcome:
        return Ended() if job.state.final else Later(max(job.due_at, self.clock() + NS_PER_SECOND))

    async def _settled(self, job: Job, lease: Lease) -> Outcome:
        after, outcome = await self._tried(job, lease)
        await lease.release(after)
        log.info("job_left", job_id=job.id, state=after.state.value, attempt=job.attempts)
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
        """A newer version made it: one that knows its kind will come by."""
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
        # The outermost frame of a job: whatever happened, the process goes on and the job says that
        # it failed.
        except Exception:
            log.exception("job_crashed", job_id=job.id)
            return lease.job.fail(_INTERNAL, self.clock()), Ended()
        return lease.job.succeed(result, self.clock()), Ended()

    def _after_trouble(self, job: Job, error: Exception) -> tuple[Job, Outcome]:
        if job.attempts < self.most:
            log.warning("job_in_trouble", job_id=job.id, attempt=job.attempts, exc_info=error)
            due_at = self.clock() + backoff(job.attempts)
            return job.try_again(due_at, due_at + self._lease), Later(due_at)
        log.error("job_given_up", job_id=job.id, attempt=job.attempts, exc_info=error)
        reason = (
            JobError(error.code, str(error)) if isinstance(error, AgentGuardError) else _INTERNAL
        )
        return job.fail(reason, self.clock()), GivenUp()

    def _interrupted(self, job: Job) -> tuple[Job, Outcome]:
        """The lease of the last attempt has run out: this one only says so."""
        message = (
            f"Who worked on this job was killed, or could not be reached, in each of {self.most}"
            " attempts. Send it again, in parts."
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
        """A shutdown in good order is no failed attempt."""
        try:
            await self.store.release(job.give_back(self.clock()))
            log.info("job_given_back", job_id=job.id)
        except (UnavailableError, OSError) as error:
            log.warning("job_not_given_back", job_id=job.id, error=str(error))  # its lease runs out

    @property
    def _lease(self) -> int:
        return int(self.lease_seconds * NS_PER_SECOND)


_INTERNAL = JobError(
    "internal", "The job failed for a reason that is in the log of who worked on it."
)


def backoff(attempt: int) -> int:
    """Return how long to wait after so many attempts in vain, in ns: 1 s, 2 s, 4 s … at most a
    minute.
    """
    return min(_FIRST_PAUSE_SECONDS << (attempt - 1), _LONGEST_PAUSE_SECONDS) * NS_PER_SECOND
