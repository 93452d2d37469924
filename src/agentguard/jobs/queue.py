"""What requests ask of jobs: to keep one, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agentguard.jobs.model import Job
from agentguard.jobs.store import JobFilter, JobStore
from agentguard.kernel.clock import Clock
from agentguard.kernel.ids import sortable_id

_MOST_UNFINISHED = 32


def _nobody() -> None:
    return


@dataclass(frozen=True, slots=True)
class Jobs:
    """All jobs, whoever runs them."""

    store: JobStore
    clock: Clock
    wake: Callable[[], None] = _nobody
    """Says that a job is to be delivered. Where nobody is told, any server's sweep sees it."""

    async def submit(
        self, kind: str, request: Mapping[str, Any], *, total: int | None = None
    ) -> Job:
        """Keep a new job and return it; it will run, whatever is away just now.

        Raises TooManyJobsError.
        """
        now = self.clock()
        job = Job(
            sortable_id(now), kind, request, created_at=now, due_at=now, deliver_at=now, total=total
        )
        await self.store.add(job, most_unfinished=_MOST_UNFINISHED)
        self.wake()
        return job

    async def get(self, job_id: str) -> Job:
        """Return the job; raise UnknownJobError if there is none."""
        return await self.store.get(job_id)

    async def newest(self, wanted: JobFilter, limit: int) -> tuple[Job, ...]:
        """Return the jobs made last, newest first, without their results."""
        return await self.store.newest(wanted, limit)
