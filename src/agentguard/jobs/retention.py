"""Retention of finished jobs and their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agentguard.jobs.store import JobStore
from agentguard.retention.citations import JOB, Citations
from agentguard.retention.policy import Limit, Usage, expired, usage_of


class JobRetentionStores(Protocol):
    """What deleting jobs needs."""

    @property
    def jobs(self) -> JobStore: ...

    @property
    def citations(self) -> Citations: ...


@dataclass(frozen=True, slots=True)
class JobRetention:
    """A RetainedRows: finished jobs, with their results and what those cite."""

    limit: Limit
    kind: str = "jobs"

    async def usage(self, stores: JobRetentionStores) -> Usage:
        return usage_of(await stores.jobs.finished())

    async def expire(self, stores: JobRetentionStores, now: int) -> tuple[str, ...]:
        return await _delete(stores, expired(await stores.jobs.finished(), self.limit, now))

    async def purge(
        self,
        stores: JobRetentionStores,
        before: int,
        *,
        include_cited: bool,  # noqa: ARG002
    ) -> tuple[str, ...]:
        ended = await stores.jobs.finished()
        return await _delete(stores, [job.id for job in ended if job.created_at < before])

    async def deleted(self, ids: tuple[str, ...]) -> None:
        """Do nothing: a finished job has no files."""


async def _delete(stores: JobRetentionStores, ids: Sequence[str]) -> tuple[str, ...]:
    await stores.citations.withdraw(JOB, ids)
    await stores.jobs.delete(ids)
    return tuple(ids)
