"""Each step of a job's life as one transaction, announced through the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol, TypeAlias

import orjson

from agentguard.audit.cited import GRAPH_HASH, RESULT_HASH
from agentguard.audit.recording import AuditTrail, traces_in
from agentguard.audit.store import AuditLog
from agentguard.coordination.dispatching import Dispatcher, Handler
from agentguard.coordination.notices import Notices
from agentguard.coordination.outbox import Outbox, OutboxEntry
from agentguard.jobs.model import Job, JobError
from agentguard.jobs.store import JobFilter, JobStore
from agentguard.kernel.stable_json import stable_json
from agentguard.retention.citations import JOB, Citations
from agentguard.unit_of_work import UnitOfWork

TOPIC = "jobs"
"""A topic of the outbox and of notices; a notice's text is the id of the job that changed."""


class CitedGraphs(Protocol):
    """The graph versions that results cite."""

    async def sha256(self, version_id: str, /) -> str | None:
        """Return the SHA-256 of a version's graph as it is stored, in hex; None: not kept."""


class JobStores(Protocol):
    """What jobs need."""

    @property
    def graphs(self) -> CitedGraphs: ...

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
        told = None if cited is None else await self._entry(job, cited)

        async def work(stores: JobStores) -> bool:
            kept = await _release(job, result, cited, stores)
            if kept and told is not None:
                await self.trail.record(
                    stores.audit,
                    Submitter(job),
                    f"{job.kind}.stored",
                    object_id=job.id,
                    graph_version=cited,
                    evidence=told.evidence,
                    payload=told.payload,
                )
            return kept

        kept = await self.unit_of_work.run(work)
        if kept:
            await self.outbox.deliver(TOPIC)
        return kept

    async def _entry(self, job: Job, cited: str) -> _Result:
        """Return what an entry tells of a result: its traces, and hashes of it and its graph."""
        graph = await self.unit_of_work.read(lambda stores: stores.graphs.sha256(cited))
        return await asyncio.to_thread(_told, job, graph)

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
class Submitter:
    """The principal who submitted a job; jobs of older versions do not tell all of it."""

    job: Job

    @property
    def id(self) -> str:
        return self.job.submitted_by or "unknown"

    @property
    def kind(self) -> str:
        return self.job.submitted_by_kind or "unknown"


@dataclass(frozen=True, slots=True)
class _Result:
    """What an audit entry tells of a stored result."""

    evidence: tuple[str, ...]
    payload: Mapping[str, str | None]


def _told(job: Job, graph_sha256: str | None) -> _Result:
    hashes = {
        GRAPH_HASH: graph_sha256,
        RESULT_HASH: sha256(stable_json(job.result)).hexdigest(),
    }
    return _Result(traces_in(job.result), hashes)


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
