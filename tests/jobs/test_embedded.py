"""Jobs in the server's own process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agentguard.jobs.dispatch import NoDeadLettersError
from agentguard.jobs.embedded import EmbeddedRunner
from agentguard.jobs.model import Job, JobState
from agentguard.jobs.sweep import Sweep
from agentguard.kernel.errors import UnavailableError
from tests.jobs.opening import LEASE_SECONDS, opened, until

pytestmark = pytest.mark.anyio


async def test_jobs_run_one_at_a_time_in_the_order_of_delivery(tmp_path: Path):
    running, most = [], []

    async def counted(job: Job, _report):
        running.append(job.id)
        most.append(len(running))
        await asyncio.sleep(0)
        running.remove(job.id)
        return {}

    async with opened(tmp_path, counted) as here:
        runner = EmbeddedRunner(here.attempts)
        jobs = [await here.submit() for _ in range(3)]
        for job in jobs:
            await runner.deliver(job)
            await runner.deliver(job)
        while await runner.run_next():
            here.clock.forward(1)

        done = [await here.jobs.get(job.id) for job in jobs]
        assert max(most) == 1
        assert [(job.state, job.attempts) for job in done] == [(JobState.SUCCEEDED, 1)] * 3
        assert sorted(done, key=lambda job: job.started_at or 0) == done


async def test_a_job_in_trouble_has_its_turn_again_when_it_is_due_and_others_go_on_meanwhile(
    tmp_path: Path,
):
    async def once_in_trouble(job: Job, _report):
        if job.request.get("trouble") and job.attempts == 1:
            raise UnavailableError("Away.")
        return {}

    async with opened(tmp_path, once_in_trouble) as here:
        runner = EmbeddedRunner(here.attempts)
        trouble, fine = await here.submit(trouble=True), await here.submit()
        for job in (trouble, fine):
            await runner.deliver(job)

        turns = [await runner.run_next() for _ in range(3)]
        here.clock.forward(1)
        turns.append(await runner.run_next())

        assert turns == [True, True, False, True]
        assert [(await here.jobs.get(job.id)).attempts for job in (trouble, fine)] == [2, 1]
        assert await here.store.unfinished() == ()


async def test_a_server_takes_up_what_an_earlier_one_left_once_its_lease_has_run_out(
    tmp_path: Path,
):
    async def fine(_job: Job, _report):
        return {}

    async with opened(tmp_path, fine) as here:
        waiting, left = await here.submit(), await here.submit()
        await here.store.claim(
            left.id, now=here.clock(), until=here.clock() + 1
        )  # and then the server died
        here.clock.forward(1)
        runner = EmbeddedRunner(here.attempts)
        sweep = Sweep(here.store, runner, here.clock, LEASE_SECONDS, here.attempts.clear)
        async with asyncio.TaskGroup() as tasks:
            loops = [tasks.create_task(loop()) for loop in (sweep.run, runner.run)]
            await until(lambda: _all_done(here))
            for loop in loops:
                loop.cancel()

        assert [(await here.jobs.get(job.id)).attempts for job in (waiting, left)] == [1, 2]


async def _all_done(here) -> bool:
    return await here.store.unfinished() == ()


async def test_it_is_always_there_and_keeps_no_dead_letters(tmp_path: Path):
    async with opened(tmp_path) as here:
        runner = EmbeddedRunner(here.attempts)
        await runner.ping()
        with pytest.raises(NoDeadLettersError, match="CELERY_BROKER_URL"):
            await runner.dead_letters()
