"""Jobs in the database."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    Update,
    delete,
    func,
    insert,
    not_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.batches import batches
from agentguard.adapters.sql.columns import passed
from agentguard.adapters.sql.tables import jobs
from agentguard.jobs.model import (
    UNFINISHED,
    Job,
    JobError,
    JobState,
    TooManyJobsError,
    UnknownJobError,
)
from agentguard.jobs.store import LONGEST_PATIENCE, JobFilter
from agentguard.kernel.stable_json import stable_json
from agentguard.retention.policy import Item

_UNFINISHED = jobs.c.state.in_([state.value for state in UNFINISHED])
_WITHOUT_RESULT = [column for column in jobs.c if column is not jobs.c.result]


@dataclass(frozen=True, slots=True)
class SqlJobStore:
    """A JobStore over one transaction.

    Every change of a job is one conditional UPDATE: of several concurrent ones, one succeeds.
    """

    connection: AsyncConnection

    async def add(self, job: Job, *, most_unfinished: int) -> None:
        count = select(func.count()).select_from(jobs).where(_UNFINISHED)
        if (await self.connection.execute(count)).scalar_one() >= most_unfinished:
            raise TooManyJobsError
        await self.connection.execute(insert(jobs).values(_values(job, None)))

    async def get(self, job_id: str) -> Job:
        found = await self._read(select(jobs).where(jobs.c.id == job_id))
        if not found:
            raise UnknownJobError(job_id)
        return found[0]

    async def newest(self, wanted: JobFilter, limit: int) -> tuple[Job, ...]:
        statement = select(*_WITHOUT_RESULT).order_by(jobs.c.id.desc()).limit(limit)
        if wanted.states:
            statement = statement.where(jobs.c.state.in_([state.value for state in wanted.states]))
        if wanted.kinds:
            statement = statement.where(jobs.c.kind.in_(wanted.kinds))
        if wanted.before is not None:
            statement = statement.where(jobs.c.id < wanted.before)
        return await self._read(statement)

    async def unfinished(self) -> tuple[Job, ...]:
        return await self._read(select(jobs).where(_UNFINISHED).order_by(jobs.c.id))

    async def claim(self, job_id: str, *, now: int, until: int) -> Job | None:
        due = passed(jobs.c.due_at, now, 2 * (until - now))
        claim = update(jobs).where(jobs.c.id == job_id, _UNFINISHED, due)
        started = {
            "state": JobState.RUNNING.value,
            "started_at": now,
            "due_at": until,
            "deliver_at": until,
            "done": 0,
        }
        counted = {"attempts": jobs.c.attempts + 1, "fence": jobs.c.fence + 1}
        claimed = claim.values(started | counted).returning(*jobs.c)
        row = (await self.connection.execute(claimed)).mappings().first()
        return None if row is None else _job(row)

    async def extend(self, job: Job, *, until: int, done: int) -> bool:
        return await self._changes(_held(job).values(due_at=until, deliver_at=until, done=done))

    async def holds(self, job: Job) -> bool:
        held = select(jobs.c.id).where(*_is_held(job))
        return (await self.connection.execute(held)).first() is not None

    async def sha256(self, job_id: str, /) -> str | None:
        wanted = select(jobs.c.result).where(jobs.c.id == job_id)
        result = await self.connection.scalar(wanted)
        return None if result is None else sha256(stable_json(orjson.loads(result))).hexdigest()

    async def release(self, job: Job, result: bytes | None) -> bool:
        return await self._changes(_held(job).values(_values(job, result)))

    async def cancel(self, job_id: str, *, now: int) -> Job | None:
        ended = {"state": JobState.CANCELLED.value, "finished_at": now, "deliver_at": None}
        cancel = update(jobs).where(jobs.c.id == job_id, _UNFINISHED).values(ended)
        row = (await self.connection.execute(cancel.returning(*jobs.c))).mappings().first()
        return None if row is None else _job(row)

    async def undelivered(self, now: int) -> tuple[Job, ...]:
        due = passed(jobs.c.deliver_at, now, 2 * LONGEST_PATIENCE)
        return await self._read(select(jobs).where(_UNFINISHED, due).order_by(jobs.c.id))

    async def postpone(self, job: Job, deliver_at: int) -> bool:
        same = update(jobs).where(
            jobs.c.id == job.id, _UNFINISHED, jobs.c.deliver_at == job.deliver_at
        )
        return await self._changes(same.values(deliver_at=deliver_at))

    async def finished(self) -> tuple[Item, ...]:
        size = func.length(jobs.c.request) + func.coalesce(func.length(jobs.c.result), 0)
        wanted = select(jobs.c.id, jobs.c.finished_at, size.label("bytes")).where(not_(_UNFINISHED))
        return tuple(
            Item(row.id, row.finished_at or 0, row.bytes)
            for row in await self.connection.execute(wanted)
        )

    async def delete(self, job_ids: Collection[str]) -> None:
        for batch in batches(job_ids):
            await self.connection.execute(delete(jobs).where(jobs.c.id.in_(batch)))

    async def _read(self, statement: Select[Any]) -> tuple[Job, ...]:
        return tuple(_job(row) for row in (await self.connection.execute(statement)).mappings())

    async def _changes(self, statement: Update) -> bool:
        """Change one job; return whether its condition held."""
        found = await self.connection.execute(statement.returning(jobs.c.id))
        return found.first() is not None


def _held(job: Job) -> Update:
    return update(jobs).where(*_is_held(job))


def _is_held(job: Job) -> tuple[ColumnElement[bool], ...]:
    return (
        jobs.c.id == job.id,
        jobs.c.state == JobState.RUNNING.value,
        jobs.c.fence == job.fence,
    )


def _values(job: Job, result: bytes | None) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state.value,
        "request": stable_json(job.request),
        "attempts": job.attempts,
        "fence": job.fence,
        "due_at": job.due_at,
        "deliver_at": job.deliver_at,
        "done": job.done,
        "total": job.total,
        "result": result,
        "error_code": job.error.code if job.error else None,
        "error_message": job.error.message if job.error else None,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "submitted_by": job.submitted_by,
        "submitted_by_kind": job.submitted_by_kind,
    }


def _job(row: RowMapping) -> Job:
    result = row.get("result")
    return Job(
        id=row["id"],
        kind=row["kind"],
        state=JobState(row["state"]),
        request=orjson.loads(row["request"]),
        attempts=row["attempts"],
        fence=row["fence"],
        due_at=row["due_at"],
        deliver_at=row["deliver_at"],
        done=row["done"],
        total=row["total"],
        result=None if result is None else orjson.loads(result),
        error=(
            None if row["error_code"] is None else JobError(row["error_code"], row["error_message"])
        ),
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        submitted_by=row["submitted_by"],
        submitted_by_kind=row["submitted_by_kind"],
    )
