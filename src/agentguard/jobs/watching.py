"""Follows one job from any process."""

from __future__ import annotations

from collections.abc import AsyncIterator

from agentguard.jobs.model import Job
from agentguard.jobs.transactions import JobTransactions


async def changes(
    store: JobTransactions, job_id: str, looks: AsyncIterator[None]
) -> AsyncIterator[Job]:
    """Yield the job now and after each visible change, until it has ended.

    The job is read at every item of `looks` until those end. Raises UnknownJobError.
    """
    last: object = None
    async for _ in looks:
        job = await store.get(job_id)
        seen = (job.state, job.attempts, job.done, job.total)
        if seen != last:
            last = seen
            yield job
        if job.state.final:
            return
