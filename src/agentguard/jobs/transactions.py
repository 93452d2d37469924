"""Each step of a job's life as one transaction, announced through the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import orjson

from agentguard.audit.recording import AuditTrail
from agentguard.audit.store import AuditLog
from agentguard.coordination.dispatching import Dispatcher, Handler
from agentguard.coordination.notices import Notices
from agentguard.coordination.outbox import Outbox, OutboxEntry
from agentguard.jobs.model import Job, JobError
from agentguard.jobs.store import JobFilter, JobStore
from agentguard.retention.citations import JOB, Citations
from agentguard.unit_of_work import UnitOfWork

TOPIC = "jobs"
"""A topic of the outbox and of notices; a notice's text is the id of the job that changed."""


class JobStores(Protocol):
    """What jobs need."""

    @property
    def jobs(self) -> JobStore: ...

    @property
    def outbox(self) -> Outbox: ...

    @property
    def citations(self) -> Citations: ...

    @property
    def audit(self) -> AuditLog: ...


Cites: TypeAlias = Callable[[Job], str | None]
"""Returns the id of the graph version that a finished job's result cites, if any."""


@dataclass(frozen=True, slots=True)
class JobTransactions:
    """The steps of a submitted job, each in a transaction of its own: durable once it returns.

    Changes of a job's state are announced through the outbox. Progress is announced directly: it
    comes twice a second, and a lost notice of it does no harm.
    """

    unit_of_work: UnitOfWork[JobStores]
    outbox: Dispatcher
    notices: Notices
    cites: Cites
    trail: AuditTrail = field(default_factory=AuditTrail)

    async def get(self, job_id: str) -> Job:
        return await self.unit_of_work.read(lambda stores: stores.jobs.get(job_id))

    async def newest(self, wanted: JobFilter, limit: int) -> tuple[Job, ...]:
        return await self.unit_of_work.read(lambda stores: stores.jobs.newest(wanted, limit))

    async def unfinished(self) -> tuple[Job, ...]:
        return await self.unit_of_work.read(lambda stores: stores.jobs.unfinished())

    async def claim(self, job_id: str, *, now: int, until: int) -> Job | None:
        async def work(stores: JobStores) -> Job | None:
            claimed = await stores.jobs.claim(job_id, now=now, until=until)
            if claimed is not None:
                await stores.outbox.put(TOPIC, job_id, {})
            return claimed

        claimed = await self.unit_of_work.run(work)
        if claimed is not None:
            await self.outbox.deliver(TOPIC)
        return claimed

    async def extend(self, job: Job, *, until: int, done: int) -> bool:
        held = await self.unit_of_work.run(
            lambda stores: stores.jobs.extend(job, until=until, done=done)
        )
        if held:
            await self.notices.publish(TOPIC, job.id)
        return held

    async def release(self, job: Job) -> bool:
        result = await asyncio.to_thread(_serialized, job)
        cited = self.cites(job)

        async def work(stores: JobStores) -> bool:
            kept = await _release(job, result, cited, stores)
            if kept and cited is not None:
                await self._record(stores.audit, job, cited)
            return kept

        kept = await self.unit_of_work.run(work)
        if kept:
            await self.outbox.deliver(TOPIC)
        return kept

    async def _record(self, log: AuditLog, job: Job, cited: str) -> None:
        """Leave an entry about a stored result."""
        await self.trail.record(
            log, _Submitter(job), f"{job.kind}.stored", object_id=job.id, graph_version=cited
        )

    async def fail(self, job_id: str, error: JobError, now: int) -> Job | None:
        """Fail a job that is due, without running it; return it, or None if it is not due."""

        async def work(stores: JobStores) -> Job | None:
            claimed = await stores.jobs.claim(job_id, now=now, until=now)
            if claimed is None:
                return None
            failed = claimed.fail(error, now)
            return failed if await _release(failed, None, None, stores) else None

        failed = await self.unit_of_work.run(work)
        if failed is not None:
            await self.outbox.deliver(TOPIC)
        return failed

    async def undelivered(self, now: int) -> tuple[Job, ...]:
        return await self.unit_of_work.read(lambda stores: stores.jobs.undelivered(now))

    async def postpone(self, job: Job, deliver_at: int) -> bool:
        return await self.unit_of_work.run(lambda stores: stores.jobs.postpone(job, deliver_at))


@dataclass(frozen=True, slots=True)
class _Submitter:
    """The principal who submitted a job; jobs of older versions do not tell all of it."""

    job: Job

    @property
    def id(self) -> str:
        return self.job.submitted_by or "unknown"

    @property
    def kind(self) -> str:
        return self.job.submitted_by_kind or "unknown"


def _serialized(job: Job) -> bytes | None:
    return None if job.result is None else orjson.dumps(job.result)


async def _release(job: Job, result: bytes | None, cited: str | None, stores: JobStores) -> bool:
    kept = await stores.jobs.release(job, result)
    if kept:
        if cited is not None:
            await stores.citations.cite(cited, JOB, job.id)
        await stores.outbox.put(TOPIC, job.id, {})
    return kept


def job_notices(notices: Notices) -> Handler:
    """Return the handler of TOPIC: it publishes a notice."""

    async def publish(entry: OutboxEntry) -> None:
        await notices.publish(TOPIC, entry.key)

    return publish
