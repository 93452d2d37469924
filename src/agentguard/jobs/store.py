"""The port to where jobs are kept: the one truth about them."""

from __future__ import annotations

from typing import Protocol

from agentguard.jobs.model import Job


class JobStore(Protocol):
    """Jobs by id."""

    async def put(self, job: Job) -> None:
        """Create or replace. Durable once this returns."""

    async def get(self, job_id: str) -> Job:
        """Return the job; raise UnknownJobError if there is none."""

    async def unfinished(self) -> tuple[Job, ...]:
        """Return the jobs that are queued or running, oldest first."""

    async def report(self, job_id: str, done: int) -> None:
        """Note how much of a running job is done; nothing happens to a job that is not running."""
