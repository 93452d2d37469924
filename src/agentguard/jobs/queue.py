"""Submits jobs and reads them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from agentguard.accounts.principal import Permission, Principal
from agentguard.jobs.dispatch import DeadLetter
from agentguard.jobs.documents import (
    Document,
    dead_letters_document,
    job_document,
    jobs_document,
)
from agentguard.jobs.model import Job, JobEndedError, JobState
from agentguard.jobs.store import JobFilter
from agentguard.jobs.transactions import TOPIC, JobStores, JobTransactions
from agentguard.kernel.clock import Clock
from agentguard.kernel.errors import UnavailableError
from agentguard.kernel.ids import sortable_id

DeadLetters: TypeAlias = Callable[[], Awaitable[tuple[DeadLetter, ...]]]
"""Returns the dead letters; raises UnavailableError where there are none to be had."""

_MOST_UNFINISHED = 32
_RECURRING_KEPT = 10
"""Jobs of a kind that `submit_single` queues."""


def _nobody() -> None:
    return


@dataclass(frozen=True, slots=True)
class Jobs:
    """All jobs, whichever process runs them."""

    store: JobTransactions
    clock: Clock
    permissions: Mapping[str, Permission]
    """By kind: what submitting such a job requires."""
    wake: Callable[[], None] = _nobody
    """Called after a job was queued, to deliver it at once; otherwise a sweep finds it later."""

    async def submit(
        self, actor: Principal, kind: str, request: Mapping[str, Any], *, total: int | None = None
    ) -> Job:
        """Queue a new job and return it; it will run even if other services are unreachable now.

        Raises PermissionDeniedError, TooManyJobsError.
        """
        job = await self.store.unit_of_work.run(
            lambda stores: self.add(stores, actor, kind, request, total=total)
        )
        await self.announce()
        return job

    async def add(
        self,
        stores: JobStores,
        actor: Principal,
        kind: str,
        request: Mapping[str, Any],
        *,
        total: int | None = None,
    ) -> Job:
        """Queue a new job in another use case's transaction; call `announce` after it.

        Raises PermissionDeniedError, TooManyJobsError.
        """
        actor.require(self.permissions[kind])
        now = self.clock()
        job = Job(
            sortable_id(now),
            kind,
            request,
            created_at=now,
            due_at=now,
            deliver_at=now,
            total=total,
            submitted_by=actor.id,
            submitted_by_kind=str(actor.kind),
        )
        await stores.jobs.add(job, most_unfinished=_MOST_UNFINISHED)
        await stores.outbox.put(TOPIC, job.id, {})
        return job

    async def submit_single(self, actor: Principal, kind: str, request: Mapping[str, Any]) -> bool:
        """Queue a job unless one of its kind is unfinished; return whether it was queued.

        For work that recurs: of the finished jobs of this kind, only the newest few are kept;
        the others go without an entry of the audit log, which has what the work itself changed.
        Raises PermissionDeniedError, TooManyJobsError.
        """

        async def work(stores: JobStores) -> bool:
            earlier = await stores.jobs.newest(JobFilter(kinds=[kind]), _MOST_UNFINISHED)
            if any(not job.state.final for job in earlier):
                return False
            await stores.jobs.delete([job.id for job in earlier[_RECURRING_KEPT - 1 :]])
            await self.add(stores, actor, kind, request)
            return True

        queued = await self.store.unit_of_work.run(work)
        if queued:
            await self.announce()
        return queued

    async def cancel(self, actor: Principal, job_id: str) -> Job:
        """End a job without a result and return it: a queued one never starts.

        A running one stops when it next reports its progress, at the latest when its lease would be
        extended; what it has stored by then stays. Cancelling a cancelled job changes nothing.
        Raises PermissionDeniedError, UnknownJobError, JobEndedError.
        """

        async def work(stores: JobStores) -> Job:
            job = await stores.jobs.get(job_id)
            actor.require(self.permissions.get(job.kind, Permission.ADMIN))
            cancelled = await stores.jobs.cancel(job_id, now=self.clock())
            if cancelled is None:
                return await _ended(stores, job_id)
            await stores.outbox.put(TOPIC, job_id, {})
            facts = {"kind": job.kind, "state": job.state.value, "attempts": job.attempts}
            await self.store.trail.record(
                stores.audit, actor, "job.cancelled", object_id=job_id, payload=facts
            )
            return cancelled

        cancelled = await self.store.unit_of_work.run(work)
        await self.announce()
        return cancelled

    async def announce(self) -> None:
        """Let followers and the sweep see new jobs at once; they would find them later anyway."""
        await self.store.outbox.deliver(TOPIC)
        self.wake()

    async def page(self, wanted: JobFilter, limit: int) -> Document:
        """Return the newest jobs, newest first, without their results."""
        return jobs_document(await self.store.newest(wanted, limit), limit)

    async def overview(self, wanted: JobFilter, limit: int, dead_letters: DeadLetters) -> Document:
        """Return the page and the dead letters, or why these cannot be shown."""
        page = await self.page(wanted, limit)
        try:
            letters = dead_letters_document(await dead_letters())
        except UnavailableError as error:
            return page | {"dead_letters": None, "dead_letters_note": str(error)}
        return page | letters | {"dead_letters_note": None}

    async def document(self, job_id: str) -> Document:
        """Return the job with its result; raise UnknownJobError if there is none."""
        return job_document(await self.get(job_id))

    async def get(self, job_id: str) -> Job:
        """Return the job; raise UnknownJobError if there is none."""
        return await self.store.get(job_id)


async def _ended(stores: JobStores, job_id: str) -> Job:
    """Return a job that is cancelled already; raise JobEndedError if it succeeded or failed."""
    job = await stores.jobs.get(job_id)
    if job.state is not JobState.CANCELLED:
        raise JobEndedError(job_id, job.state.value)
    return job
