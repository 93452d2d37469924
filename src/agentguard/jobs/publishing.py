"""Tells other processes at once what changes about jobs.

Who watches one without notices looks at the table now and then.
"""

from __future__ import annotations

from dataclasses import dataclass

from agentguard.coordination.notices import Notices
from agentguard.jobs.model import Job
from agentguard.jobs.store import JobFilter, JobStore

TOPIC = "jobs"
"""A notice's text is the id of the job that changed."""


@dataclass(frozen=True, slots=True)
class AnnouncingJobStore:
    """A JobStore that publishes what it changes."""

    store: JobStore
    notices: Notices

    async def add(self, job: Job, *, most_unfinished: int) -> None:
        await self.store.add(job, most_unfinished=most_unfinished)

    async def get(self, job_id: str) -> Job:
        return await self.store.get(job_id)

    async def newest(self, wanted: JobFilter, limit: int) -> tuple[Job, ...]:
        return await self.store.newest(wanted, limit)

    async def unfinished(self) -> tuple[Job, ...]:
        return await self.store.unfinished()

    async def claim(self, job_id: str, *, now: int, until: int) -> Job | None:
        claimed = await self.store.claim(job_id, now=now, until=until)
        if claimed is not None:
            await self.notices.publish(TOPIC, job_id)
        return claimed

    async def extend(self, job: Job, *, until: int, done: int) -> bool:
        return await self._announced(
            job, changed=await self.store.extend(job, until=until, done=done)
        )

    async def release(self, job: Job) -> bool:
        return await self._announced(job, changed=await self.store.release(job))

    async def undelivered(self, now: int) -> tuple[Job, ...]:
        return await self.store.undelivered(now)

    async def postpone(self, job: Job, deliver_at: int) -> bool:
        return await self.store.postpone(job, deliver_at)

    async def _announced(self, job: Job, *, changed: bool) -> bool:
        if changed:
            await self.notices.publish(TOPIC, job.id)
        return changed
