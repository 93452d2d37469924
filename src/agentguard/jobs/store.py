"""The port to where jobs are kept: the one truth about them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from agentguard.jobs.model import Job, JobState


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs a list shows; nothing set = all."""

    states: Collection[JobState] = ()
    kinds: Collection[str] = ()
    before: str | None = None
    """Id of a job: only those that were made before it, the next page of a list that ended with it.
    """


class JobStore(Protocol):
    """Jobs by id, for many processes at one time.

    Whatever changes a job is durable once the method returns.
    """

    async def add(self, job: Job, *, most_unfinished: int) -> None:
        """Keep a new job; raise TooManyJobsError if so many are unfinished already."""

    async def get(self, job_id: str) -> Job:
        """Return the job; raise UnknownJobError if there is none."""

    async def newest(self, wanted: JobFilter, limit: int) -> tuple[Job, ...]:
        """Return the jobs made last, newest first, each without its result, which may be large."""

    async def unfinished(self) -> tuple[Job, ...]:
        """Return the jobs that are queued or running, oldest first."""

    async def claim(self, job_id: str, *, now: int, until: int) -> Job | None:
        """Start the job if it is unfinished and due, and return it as it runs, leased until then.

        Else return None.

        Of any number of callers at one time, one gets it. It is due while it waits for nothing and
        nobody's lease holds it.
        """

    async def extend(self, job: Job, *, until: int, done: int) -> bool:
        """Note how much of a running job is done and lease it until then.

        False, and nothing is changed, if `job.fence` is outdated.
        """

    async def release(self, job: Job) -> bool:
        """Replace a running job by what became of it.

        False, and nothing is changed, if `job.fence` is outdated.
        """

    async def undelivered(self, now: int) -> tuple[Job, ...]:
        """Return the unfinished jobs whose `deliver_at` has come, oldest first."""

    async def postpone(self, job: Job, deliver_at: int) -> bool:
        """Move the job's `deliver_at`.

        False, and nothing is changed, if it is not what `job` says any more: somebody else was
        first.
        """
