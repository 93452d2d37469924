"""Jobs in the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import RowMapping, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.database import Database
from agentguard.adapters.sql.tables import jobs
from agentguard.adapters.sql.upserts import insert_into
from agentguard.jobs.model import Job, JobError, JobState, UnknownJobError
from agentguard.kernel.canonical import canonical_json


@dataclass(frozen=True, slots=True)
class SqlJobStore:
    """A JobStore over a database."""

    database: Database

    async def put(self, job: Job) -> None:
        values = _values(job)

        async def put(connection: AsyncConnection) -> None:
            await connection.execute(insert_into(connection, jobs).values(values).on_conflict_do_update(index_elements=["id"], set_=values))

        await self.database.write(put)

    async def get(self, job_id: str) -> Job:
        async with self.database.reading() as connection:
            row = (await connection.execute(select(jobs).where(jobs.c.id == job_id))).mappings().first()
        if row is None:
            raise UnknownJobError(job_id)
        return _job(row)

    async def unfinished(self) -> tuple[Job, ...]:
        states = [JobState.QUEUED.value, JobState.RUNNING.value]
        wanted = select(jobs).where(jobs.c.state.in_(states)).order_by(jobs.c.created_at, jobs.c.id)
        async with self.database.reading() as connection:
            return tuple(_job(row) for row in (await connection.execute(wanted)).mappings())

    async def report(self, job_id: str, done: int) -> None:
        statement = update(jobs).where(jobs.c.id == job_id, jobs.c.state == JobState.RUNNING.value).values(done=done)
        await self.database.write(lambda connection: connection.execute(statement))


def _values(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state.value,
        "request": canonical_json(job.request),
        "attempts": job.attempts,
        "done": job.done,
        "total": job.total,
        "result": None if job.result is None else orjson.dumps(job.result),
        "error_code": job.error.code if job.error else None,
        "error_message": job.error.message if job.error else None,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }


def _job(row: RowMapping) -> Job:
    return Job(
        id=row["id"],
        kind=row["kind"],
        state=JobState(row["state"]),
        request=orjson.loads(row["request"]),
        attempts=row["attempts"],
        done=row["done"],
        total=row["total"],
        result=None if row["result"] is None else orjson.loads(row["result"]),
        error=None if row["error_code"] is None else JobError(row["error_code"], row["error_message"]),
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
    )
