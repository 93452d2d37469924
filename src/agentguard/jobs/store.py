"""The port of stored jobs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from agentguard.jobs.model import Job, JobState
from agentguard.kernel.clock import NS_PER_HOUR
from agentguard.retention.policy import Item

LONGEST_PATIENCE = NS_PER_HOUR
"""The longest time between two deliveries of a job, in ns."""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs a list shows; nothing set = all."""

    states: Collection[JobState] = ()
    kinds: Collection[str] = ()
    before: str | None = None
    """Id of a job: only older ones, so the last id of a page gives the next page."""


class JobStore(Protocol):
    """Jobs by id, shared by many processes.

    Every method runs in the caller's transaction: what it changes is durable once that commits.
    """

    async def add(self, job: Job, *, most_unfinished: int) -> None:
        """Store a new job; raise TooManyJobsError if that many are unfinished."""

    async def get(self, job_id: str) -> Job:
        """Return the job; raise UnknownJobError if there is none."""

    async def newest(self, wanted: JobFilter, limit: int) -> tuple[Job, ...]:
        """Return the newest jobs, newest first, each without its result, which may be large."""

    async def unfinished(self) -> tuple[Job, ...]:
        """Return the jobs that are queued or running, oldest first."""

    async def claim(self, job_id: str, *, now: int, until: int) -> Job | None:
        """Start the job if it is unfinished and due; return it running, leased until then.

        Else return None. Of any number of concurrent callers one gets the job. It is due once its
        `due_at` has passed, which is the end of the lease while it runs; one further ahead than two
        leases is of a clock that was set back, and has passed too.
        """

    async def extend(self, job: Job, *, until: int, done: int) -> bool:
        """Record progress of a running job and lease it until then.

        Return False, and change nothing, if `job.fence` is outdated.
        """

    async def holds(self, job: Job) -> bool:
        """Return whether the job runs under `job.fence`, so that this attempt may store things."""

    async def sha256(self, job_id: str, /) -> str | None:
        """Return the SHA-256 of a job's result as stable JSON, in hex; None: there is none."""

    async def release(self, job: Job, result: bytes | None) -> bool:
        """Replace a running job by its state after the attempt, with its result as JSON.

        Return False, and change nothing, if `job.fence` is outdated.
        """

    async def cancel(self, job_id: str, *, now: int) -> Job | None:
        """End the job without a result if it is unfinished, and return it; else return None.

        The attempt that runs it then holds it no more.
        """

    async def undelivered(self, now: int) -> tuple[Job, ...]:
        """Return the unfinished jobs whose `deliver_at` has passed, oldest first.

        One further ahead than twice LONGEST_PATIENCE has passed too, as in `claim`.
        """

    async def postpone(self, job: Job, deliver_at: int) -> bool:
        """Move the job's `deliver_at`.

        Return False, and change nothing, if it differs from `job.deliver_at`: another process was
        first.
        """

    async def finished(self) -> tuple[Item, ...]:
        """Return all jobs that have ended, each with its end (0 if unknown) and size."""

    async def delete(self, job_ids: Collection[str]) -> None:
        """Delete these jobs with their results; missing ones are no error."""
