"""One attempt at a job: whatever happens in it, the job ends once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from agentguard.compute.pools import WorkerDiedError
from agentguard.jobs.attempts import Ended, GivenUp, Later, backoff
from agentguard.jobs.model import Job, JobState, UnknownJobError
from agentguard.jobs.transactions import JobTransactions
from agentguard.kernel.clock import NS_PER_SECOND
from agentguard.kernel.errors import InvalidInputError, UnavailableError
from tests.jobs.opening import LEASE_SECONDS, START, Clock, opened, until

pytestmark = pytest.mark.anyio


async def double(job: Job, report) -> dict[str, int]:
    await report(5)
    return {"twice": 2 * job.request["number"]}


async def test_a_job_keeps_its_result_for_other_processes(tmp_path: Path):
    async with opened(tmp_path, double) as here:
        job = await here.submit(number=3)
        outcome = await here.attempts.run(job.id)
        again = await here.attempts.run(job.id)
    async with opened(tmp_path) as there:
        done = await there.jobs.get(job.id)

    assert (outcome, again) == (Ended(), Ended())
    assert (done.state, done.result, done.done, done.attempts) == (
        JobState.SUCCEEDED,
        {"twice": 6},
        5,
        1,
    )


async def test_a_known_error_is_the_jobs_answer_and_is_not_tried_again(tmp_path: Path):
    async def fails(_job: Job, _report):
        raise InvalidInputError("It is wrong. Do it right.")

    async with opened(tmp_path, fails) as here:
        job = await here.submit()
        assert await here.attempts.run(job.id) == Ended()

        failed = await here.jobs.get(job.id)
        assert (failed.state, failed.attempts, failed.error.code) == (
            JobState.FAILED,
            1,
            "invalid-input",
        )
        assert failed.error.message == "It is wrong. Do it right."


async def test_a_crash_fails_the_job_at_once_and_says_nothing_of_its_cause(tmp_path: Path):
    async def crashes(_job: Job, _report):
        raise RuntimeError("a secret")

    async with opened(tmp_path, crashes) as here:
        job = await here.submit()
        assert await here.attempts.run(job.id) == Ended()

        failed = await here.jobs.get(job.id)
        assert (failed.state, failed.error.code) == (JobState.FAILED, "internal")
        assert "secret" not in failed.error.message


async def test_an_unknown_job_is_said_so(tmp_path: Path):
    async with opened(tmp_path, double) as here:
        with pytest.raises(UnknownJobError):
            await here.attempts.run("x")


async def test_a_kind_that_only_a_newer_version_knows_waits_for_it(tmp_path: Path):
    async with opened(tmp_path) as older, opened(tmp_path, double, clock=older.clock) as newer:
        job = await newer.submit(number=3)
        for _ in range(9):
            outcome = await older.attempts.run(job.id)
            older.clock.forward(LEASE_SECONDS)
        assert outcome == Later(older.clock())

        assert await newer.attempts.run(job.id) == Ended()
        done = await newer.jobs.get(job.id)
        assert (done.state, done.attempts) == (JobState.SUCCEEDED, 1)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WorkerDiedError(), "worker-died"),
        (OSError("disk"), "internal"),
        (UnavailableError("Away."), "unavailable"),
    ],
)
async def test_trouble_is_tried_again_ever_later_and_ends_after_the_last_attempt(
    tmp_path: Path, error: Exception, code: str
):
    async def in_trouble(_job: Job, _report):
        raise error

    async with opened(tmp_path, in_trouble, most=3) as here:
        job = await here.submit()
        outcomes = []
        for pause in (0, 1, 2):
            here.clock.forward(pause)
            outcomes.append(await here.attempts.run(job.id))

        assert outcomes == [
            Later(START + NS_PER_SECOND),
            Later(START + 3 * NS_PER_SECOND),
            GivenUp(),
        ]
        failed = await here.jobs.get(job.id)
        assert (failed.state, failed.attempts, failed.error.code) == (JobState.FAILED, 3, code)


async def test_what_waits_for_its_next_attempt_is_not_run_before(tmp_path: Path):
    async def in_trouble(_job: Job, _report):
        raise UnavailableError("Away.")

    async with opened(tmp_path, in_trouble) as here:
        job = await here.submit()
        first = await here.attempts.run(job.id)

        assert await here.attempts.run(job.id) == first == Later(START + NS_PER_SECOND)
        assert (await here.jobs.get(job.id)).attempts == 1


def test_pauses_between_attempts_double_up_to_a_minute():
    assert [backoff(attempt) // NS_PER_SECOND for attempt in (1, 2, 3, 6, 7, 100)] == [
        1,
        2,
        4,
        32,
        60,
        60,
    ]


async def test_a_job_whose_workers_were_all_killed_fails_and_says_so(tmp_path: Path):
    async with opened(tmp_path, double, most=2) as here:
        job = await here.submit(number=1)
        for _ in range(2):  # and then the process died
            await here.store.claim(job.id, now=here.clock(), until=here.clock() + NS_PER_SECOND)
            here.clock.forward(1)

        assert await here.attempts.run(job.id) == GivenUp()

        failed = await here.jobs.get(job.id)
        assert (failed.state, failed.attempts, failed.error.code) == (
            JobState.FAILED,
            2,
            "interrupted",
        )


async def test_a_job_that_somebody_holds_is_left_alone_until_the_lease_runs_out(tmp_path: Path):
    async with opened(tmp_path, double) as here:
        job = await here.submit(number=1)
        await here.store.claim(job.id, now=START, until=START + 9 * NS_PER_SECOND)

        assert await here.attempts.run(job.id) == Later(START + 9 * NS_PER_SECOND)
        here.clock.forward(9)
        assert await here.attempts.run(job.id) == Ended()
        assert (await here.jobs.get(job.id)).attempts == 2


async def test_a_shutdown_in_good_order_is_no_failed_attempt(tmp_path: Path):
    started = asyncio.Event()

    async def endless(_job: Job, _report):
        started.set()
        await asyncio.Event().wait()

    async with opened(tmp_path, endless) as here:
        job = await here.submit()
        for _ in range(2):
            started.clear()
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(here.attempts.run(job.id))
                await started.wait()
                running.cancel()

        given_back = await here.jobs.get(job.id)
        assert (given_back.state, given_back.attempts, given_back.fence) == (JobState.QUEUED, 0, 2)
        assert (given_back.due_at, given_back.deliver_at) == (START, START)


async def test_a_shutdown_in_the_middle_of_a_claim_is_no_failed_attempt(tmp_path: Path):
    class Slow(JobTransactions):
        async def claim(self, job_id: str, *, now: int, until: int) -> Job | None:
            claimed = await super().claim(job_id, now=now, until=until)
            claiming.set()
            await asyncio.sleep(0.05)
            return claimed

    claiming = asyncio.Event()
    async with opened(tmp_path, double) as here:
        job = await here.submit(number=3)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(
                replace(here.attempts, store=Slow(*_parts(here.store))).run(job.id)
            )
            await claiming.wait()
            running.cancel()

        assert running.cancelled()
        given_back = await here.jobs.get(job.id)
        assert (given_back.state, given_back.attempts, given_back.fence) == (JobState.QUEUED, 0, 1)


async def test_the_lease_is_renewed_while_the_work_goes_on(tmp_path: Path):
    go_on = asyncio.Event()

    async def waits(_job: Job, _report):
        await go_on.wait()
        return {}

    async with opened(tmp_path, waits, lease=0.3) as here:
        job = await here.submit()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(here.attempts.run(job.id))
            await until(lambda: _is_leased_until(here, job.id, START + int(0.3 * NS_PER_SECOND)))
            here.clock.forward(5)
            await until(
                lambda: _is_leased_until(here, job.id, here.clock() + int(0.3 * NS_PER_SECOND))
            )
            go_on.set()

        assert await running == Ended()
        assert (await here.jobs.get(job.id)).attempts == 1


async def _is_leased_until(here, job_id: str, moment: int) -> bool:
    return (await here.store.get(job_id)).due_at == moment


async def test_work_ends_as_soon_as_somebody_else_has_the_job_and_its_result_does_not_count(
    tmp_path: Path,
):
    cancelled, started = asyncio.Event(), asyncio.Event()

    async def endless(_job: Job, _report):
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with opened(tmp_path, endless, lease=0.3) as here:
        job = await here.submit()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(here.attempts.run(job.id))
            await started.wait()
            other = await here.store.claim(
                job.id, now=START + NS_PER_SECOND, until=START + 99 * NS_PER_SECOND
            )
            await asyncio.wait_for(cancelled.wait(), 10)

        assert await running == Later(START + 99 * NS_PER_SECOND)
        assert await here.jobs.get(job.id) == other


async def test_a_result_that_comes_too_late_is_not_kept(tmp_path: Path):
    """The lease ran out unseen (the machine slept, say), somebody else took the job, and the work
    ended before anybody looked.
    """
    async with opened(tmp_path, lease=LEASE_SECONDS) as here:
        job = await here.submit()

        async def overtaken(_job: Job, _report):
            await here.store.claim(
                job.id, now=START + 60 * NS_PER_SECOND, until=START + 99 * NS_PER_SECOND
            )
            return {"by": "the first"}

        async with opened(tmp_path, overtaken, clock=here.clock) as late:
            outcome = await late.attempts.run(job.id)

        assert outcome == Later(START + 99 * NS_PER_SECOND)
        held = await here.jobs.get(job.id)
        assert (held.state, held.fence, held.result) == (JobState.RUNNING, 2, None)


class AwayForAWhile(JobTransactions):
    """A job store that cannot be reached the first few times that it should release a job."""

    failures = 2

    async def release(self, job: Job) -> bool:
        if AwayForAWhile.failures:
            AwayForAWhile.failures -= 1
            raise UnavailableError("Away.")
        return await super().release(job)


def _parts(store: JobTransactions):
    return store.unit_of_work, store.outbox, store.notices, store.cites


async def test_a_result_is_not_lost_to_a_store_that_is_away_for_less_than_a_lease(tmp_path: Path):
    async with opened(tmp_path, double, lease=1.5) as here:
        job = await here.submit(number=2)
        attempts = type(here.attempts)(
            AwayForAWhile(*_parts(here.store)), here.attempts.works, here.clock, 3, 1.5
        )

        assert await attempts.run(job.id) == Ended()

        assert (await here.jobs.get(job.id)).result == {"twice": 4}


async def test_an_ended_job_is_cleared_up_after_once_it_is_settled(tmp_path: Path):
    seen = []

    async def fails(job: Job, _report):
        raise UnavailableError("Away.") if job.attempts == 1 else InvalidInputError("Wrong.")

    async with opened(tmp_path) as here:

        async def clear(job: Job) -> None:
            seen.append((await here.jobs.get(job.id)).state)

        async with opened(tmp_path, fails, clear=clear, clock=here.clock) as runner:
            job = await runner.submit()
            await runner.attempts.run(job.id)
            assert seen == []
            here.clock.forward(1)
            await runner.attempts.run(job.id)

    assert seen == [JobState.FAILED]


async def test_many_processes_that_try_one_job_run_it_once(tmp_path: Path):
    runs = []

    async def counted(job: Job, _report):
        runs.append(job.fence)
        await asyncio.sleep(0)
        return {}

    clock = Clock()
    async with (
        opened(tmp_path, counted, clock=clock) as one,
        opened(tmp_path, counted, clock=clock) as two,
    ):
        jobs = [await one.submit() for _ in range(5)]
        await asyncio.gather(
            *[each.attempts.run(job.id) for job in jobs for each in (one, two, one, two)]
        )

        assert runs == [1] * 5
        assert await one.store.unfinished() == ()
