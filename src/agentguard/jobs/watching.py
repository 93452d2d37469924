"""Following one job from any process."""

from __future__ import annotations

from collections.abc import AsyncIterator

from agentguard.jobs.model import Job
from agentguard.jobs.transactions import JobTransactions


async def changes(
    store: JobTransactions, job_id: str, looks: AsyncIterator[None]
) -> AsyncIterator[Job]:
    """Yield the job as it is, then whenever something that people see of it has changed, until it
    has ended.

    It is looked at whenever `looks` says so, and no more after the last one. Raises
    UnknownJobError.
    """
    told: object = None
    async for _ in looks:
        job = await store.get(job_id)
        seen = (job.state, job.attempts, job.done, job.total)
        if seen != told:
            told = seen
            yield job
        if job.state.final:
            return
