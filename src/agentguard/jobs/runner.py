"""Runs jobs in this process, one after the other; the job store is the truth about them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import structlog

from agentguard.jobs.model import Job, JobError, JobState
from agentguard.jobs.store import JobStore
from agentguard.jobs.workers import WorkerDiedError
from agentguard.kernel.clock import Clock
from agentguard.kernel.errors import AgentGuardError, UnavailableError
from agentguard.kernel.ids import sortable_id

log = structlog.get_logger(__name__)

Report: TypeAlias = Callable[[int], Awaitable[None]]
JobFunction: TypeAlias = Callable[[Job, Report], Awaitable[Mapping[str, Any]]]
"""Does the job and returns its result (plain JSON); reports how much is done. Running it again must be harmless."""

_MOST_ATTEMPTS = 2
_MOST_UNFINISHED = 32


class TooManyJobsError(UnavailableError):
    """More jobs wait than may."""

    code = "too-many-jobs"

    def __init__(self) -> None:
        super().__init__("Too many jobs are waiting. Try again when some are done.")


@dataclass(frozen=True, slots=True)
class JobRunner:
    """One job at a time, oldest first."""

    store: JobStore
    functions: Mapping[str, JobFunction]
    """The explicit table: kind → what does it."""
    clock: Clock
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def submit(self, kind: str, request: Mapping[str, Any], *, total: int | None = None) -> Job:
        """Keep a new job and return it; it will run, also after a restart. Raises TooManyJobsError."""
        if len(await self.store.unfinished()) >= _MOST_UNFINISHED:
            raise TooManyJobsError
        now = self.clock()
        job = Job(sortable_id(now), kind, request, now, total=total)
        await self.store.put(job)
        self._wake.set()
        return job

    async def get(self, job_id: str) -> Job:
        """Return the job; raise UnknownJobError if there is none."""
        return await self.store.get(job_id)

    async def run(self) -> None:
        """Take up what an earlier process left, then work until cancelled."""
        await self.recover()
        while True:
            self._wake.clear()
            if not await self.run_next():
                await self._wake.wait()

    async def recover(self) -> None:
        """Queue again what was running when an earlier process ended; a job that ended several of them fails."""
        for job in await self.store.unfinished():
            if job.state is JobState.RUNNING:
                await self.store.put(job.requeue() if job.attempts < _MOST_ATTEMPTS else self._interrupted(job))

    async def run_next(self) -> bool:
        """Run the oldest job that waits; return whether there was one."""
        waiting = [job for job in await self.store.unfinished() if job.state is JobState.QUEUED]
        if not waiting:
            return False
        await self._run(waiting[0])
        return True

    async def _run(self, queued: Job) -> None:
        job = queued.start(self.clock())
        await self.store.put(job)
        log.info("job_started", job_id=job.id, kind=job.kind, attempt=job.attempts)
        try:
            finished = await self._finish(job)
        except asyncio.CancelledError:  # a shutdown in good order is no failed attempt
            await asyncio.shield(self.store.put(queued))
            raise
        await self.store.put(finished)
        log.info("job_finished", job_id=job.id, state=finished.state.value)

    async def _finish(self, job: Job) -> Job:
        try:
            result = await self.functions[job.kind](job, lambda done: self.store.report(job.id, done))
        except WorkerDiedError as error:
            return job.requeue() if job.attempts < _MOST_ATTEMPTS else self._failed(job, error)
        except AgentGuardError as error:
            return self._failed(job, error)
        # The outermost frame of a job: whatever happened, the runner goes on and the job says that it failed.
        except Exception:
            log.exception("job_crashed", job_id=job.id)
            return job.fail(JobError("internal", "The job failed for a reason that is in the server's log."), self.clock())
        return job.succeed(result, self.clock())

    def _failed(self, job: Job, error: AgentGuardError) -> Job:
        return job.fail(JobError(error.code, str(error)), self.clock())

    def _interrupted(self, job: Job) -> Job:
        message = "The server stopped several times while it worked on this job. Send it again."
        return job.fail(JobError("interrupted", message), self.clock())
