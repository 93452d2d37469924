from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.jobs import SqlJobStore
from agentguard.jobs.model import Job, JobState, UnknownJobError
from agentguard.jobs.runner import JobRunner, TooManyJobsError
from agentguard.jobs.workers import Process, WorkerDiedError
from agentguard.kernel.errors import InvalidInputError

pytestmark = pytest.mark.anyio


class Clock:
    now = 0

    def __call__(self) -> int:
        self.now += 1_000
        return self.now


@asynccontextmanager
async def runner(directory: Path, **functions):
    async with open_database(directory) as database:
        yield JobRunner(SqlJobStore(database), functions, Clock())


async def double(job: Job, report) -> dict[str, int]:
    await report(5)
    return {"twice": 2 * job.request["number"]}


async def test_jobs_run_in_order_and_keep_their_results(tmp_path: Path):
    async with runner(tmp_path, double=double) as jobs:
        ids = [(await jobs.submit("double", {"number": n}, total=10)).id for n in (1, 2)]
        assert (await jobs.get(ids[0])).state is JobState.QUEUED
        while await jobs.run_next():
            pass
    async with runner(tmp_path) as jobs:
        done = [await jobs.get(job_id) for job_id in ids]

    assert [(job.state, job.result, job.done, job.attempts) for job in done] == [
        (JobState.SUCCEEDED, {"twice": 2}, 10, 1),
        (JobState.SUCCEEDED, {"twice": 4}, 10, 1),
    ]
    assert done[0].finished_at < done[1].started_at


async def test_a_failed_job_says_why_and_the_next_one_runs(tmp_path: Path):
    async def fails(job: Job, report):
        if job.request["how"] == "known":
            raise InvalidInputError("It is wrong. Do it right.")
        raise RuntimeError("a secret")

    async with runner(tmp_path, fails=fails, double=double) as jobs:
        known = await jobs.submit("fails", {"how": "known"})
        unknown = await jobs.submit("fails", {"how": "unknown"})
        fine = await jobs.submit("double", {"number": 1})
        while await jobs.run_next():
            pass

        assert (await jobs.get(known.id)).error.message == "It is wrong. Do it right."
        assert (await jobs.get(unknown.id)).error.code == "internal"
        assert "secret" not in (await jobs.get(unknown.id)).error.message
        assert (await jobs.get(fine.id)).state is JobState.SUCCEEDED


async def test_a_job_interrupted_by_a_crash_runs_again_once(tmp_path: Path):
    async with runner(tmp_path, double=double) as jobs:
        job = await jobs.submit("double", {"number": 3})
        for attempt in (1, 2):
            await jobs.store.put((await jobs.get(job.id)).start(attempt))  # and then the process died
            await jobs.recover()
            state = (await jobs.get(job.id)).state
            assert state is (JobState.QUEUED if attempt == 1 else JobState.FAILED)

        assert (await jobs.get(job.id)).error.code == "interrupted"


async def test_a_shutdown_is_no_failed_attempt(tmp_path: Path):
    started = asyncio.Event()

    async def endless(job: Job, report):
        started.set()
        await asyncio.Event().wait()

    async with runner(tmp_path, endless=endless) as jobs:
        job = await jobs.submit("endless", {})
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(jobs.run())
            await started.wait()
            running.cancel()

        assert (await jobs.get(job.id)).state is JobState.QUEUED
        assert (await jobs.get(job.id)).attempts == 0


async def test_a_dead_worker_is_tried_twice(tmp_path: Path):
    async def dies(job: Job, report):
        raise WorkerDiedError

    async with runner(tmp_path, dies=dies) as jobs:
        job = await jobs.submit("dies", {})
        while await jobs.run_next():
            pass

        assert (await jobs.get(job.id)).attempts == 2
        assert (await jobs.get(job.id)).error.code == "worker-died"


async def test_the_queue_is_bounded(tmp_path: Path):
    async with runner(tmp_path, double=double) as jobs:
        for _ in range(32):
            await jobs.submit("double", {})
        with pytest.raises(TooManyJobsError):
            await jobs.submit("double", {})

        assert len(await jobs.store.unfinished()) == 32
        with pytest.raises(UnknownJobError):
            await jobs.get("x")


def _prepare() -> list[str]:
    return ["prepared"]


def _die(state: list[str]) -> None:
    os._exit(9)


def _state(state: list[str], more: str) -> list[str]:
    return [*state, more]


async def test_a_worker_process_is_started_again_when_it_dies():
    workers = Process(_prepare)
    try:
        assert await workers.run(_state, "a") == ["prepared", "a"]
        with pytest.raises(WorkerDiedError):
            await workers.run(_die)
        assert await workers.run(_state, "b") == ["prepared", "b"]
    finally:
        workers.close()
