"""The JobStore port against every adapter.

What is said in its docstrings, with many claimers and a clock that the tests drive.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agentguard.adapters.sql.database import open_database
from agentguard.jobs.model import Job, JobError, JobState, TooManyJobsError, UnknownJobError
from agentguard.jobs.store import JobFilter
from agentguard.jobs.transactions import JobTransactions
from tests.conformance.job_stores import add_job, job_transactions
from tests.databases import KINDS, empty_database

pytestmark = pytest.mark.anyio

US = 1000
"""Times are whole microseconds: databases keep no more."""
SECOND = 1_000_000 * US
START = 1_800_000_000 * SECOND
PROCESSES = 4


@dataclass
class Processes:
    """The same jobs as several processes see them, each over a database that it opened."""

    stores: list[JobTransactions]

    @property
    def one(self) -> JobTransactions:
        return self.stores[0]

    @property
    def other(self) -> JobTransactions:
        return self.stores[1]


@pytest.fixture(params=KINDS)
async def processes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Processes]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(empty_database(request.param))
        opened = [
            await stack.enter_async_context(open_database(tmp_path, server))
            for _ in range(PROCESSES)
        ]
        yield Processes([job_transactions(database) for database in opened])


def job(number: int = 0, *, kind: str = "scan", **more) -> Job:
    now = START + number * US
    return Job(
        **{
            "id": f"{now:016x}-{number:08x}",
            "kind": kind,
            "request": {"n": number},
            "created_at": now,
            "due_at": now,
            "deliver_at": now,
            **more,
        }
    )


async def add(store: JobTransactions, *jobs: Job) -> None:
    for each in jobs:
        await add_job(store, each)


async def claimed(
    store: JobTransactions, job_id: str, *, now: int = START + SECOND, lease: int = 30 * SECOND
) -> Job:
    found = await store.claim(job_id, now=now, until=now + lease)
    assert found is not None
    return found


async def test_what_was_added_is_read_back_whole_by_another_process(processes: Processes):
    wanted = job(7, total=10)
    await add(processes.one, wanted)

    assert await processes.other.get(wanted.id) == wanted
    with pytest.raises(UnknownJobError):
        await processes.other.get("x")


@pytest.mark.parametrize("odd", ["\0", "a\0b", "\ud800", "\\", "ü"])
async def test_a_name_that_no_job_can_have_is_found_nowhere(processes: Processes, odd: str):
    await add(processes.one, job())

    with pytest.raises(UnknownJobError):
        await processes.one.get(odd)
    assert await processes.one.claim(odd, now=START + SECOND, until=START + 2 * SECOND) is None
    assert await processes.one.newest(JobFilter(kinds=[odd]), 10) == ()
    assert len(await processes.one.newest(JobFilter(before=f"2{odd}"), 10)) == 1


async def test_a_claim_starts_the_job_for_as_long_as_the_lease(processes: Processes):
    await add(processes.one, job())
    now = START + SECOND

    first = await processes.one.claim(job().id, now=now, until=now + SECOND)

    assert first == replace(
        job(),
        state=JobState.RUNNING,
        attempts=1,
        fence=1,
        started_at=now,
        due_at=now + SECOND,
        deliver_at=now + SECOND,
    )
    assert await processes.other.get(job().id) == first
    assert (
        await processes.other.claim(job().id, now=now + SECOND - US, until=now + 9 * SECOND) is None
    )
    second = await claimed(processes.other, job().id, now=now + SECOND)
    assert (second.attempts, second.fence) == (2, 2)


async def test_a_clock_that_is_set_back_keeps_no_job_waiting(processes: Processes):
    await add(processes.one, job())
    yesterday = START - 24 * 3600 * SECOND
    running = await claimed(processes.one, job().id, now=START + SECOND, lease=30 * SECOND)
    assert await processes.other.undelivered(START + 2 * SECOND) == ()

    assert [each.id for each in await processes.other.undelivered(yesterday)] == [job().id]
    again = await claimed(processes.other, job().id, now=yesterday, lease=30 * SECOND)
    assert again.fence == running.fence + 1
    assert again.due_at == yesterday + 30 * SECOND


async def test_of_many_claimers_at_one_time_one_wins_every_job(processes: Processes):
    jobs = [job(n) for n in range(10)]
    await add(processes.one, *jobs)
    claims = [
        store.claim(each.id, now=START + SECOND, until=START + 9 * SECOND)
        for each in jobs
        for store in processes.stores * 3
    ]

    won = [found.id for found in await asyncio.gather(*claims) if found is not None]

    assert sorted(won) == [each.id for each in jobs]
    assert {(each.attempts, each.fence) for each in await processes.one.unfinished()} == {(1, 1)}


async def test_of_many_claimers_of_a_lease_that_ran_out_one_wins(processes: Processes):
    await add(processes.one, job())
    await claimed(processes.one, job().id, now=START, lease=SECOND)
    claims = [
        store.claim(job().id, now=START + SECOND, until=START + 9 * SECOND)
        for store in processes.stores * 5
    ]

    won = [found for found in await asyncio.gather(*claims) if found is not None]

    assert [(each.attempts, each.fence) for each in won] == [(2, 2)]


async def test_no_job_is_claimed_before_it_is_due_nor_after_it_has_ended(processes: Processes):
    await add(processes.one, job(due_at=START + 2 * SECOND))

    assert (
        await processes.one.claim(job().id, now=START + 2 * SECOND - US, until=START + 9 * SECOND)
        is None
    )
    running = await claimed(processes.one, job().id, now=START + 2 * SECOND)
    assert await processes.one.release(running.succeed({}, START + 3 * SECOND))
    assert (
        await processes.other.claim(job().id, now=START + 99 * SECOND, until=START + 199 * SECOND)
        is None
    )
    assert await processes.other.claim("x", now=START, until=START + SECOND) is None


async def test_a_lease_that_is_extended_holds_longer(processes: Processes):
    await add(processes.one, job(total=10))
    running = await claimed(processes.one, job().id, now=START, lease=SECOND)

    assert await processes.one.extend(running, until=START + 5 * SECOND, done=4)

    seen = await processes.other.get(job().id)
    assert (seen.done, seen.due_at, seen.deliver_at) == (4, START + 5 * SECOND, START + 5 * SECOND)
    assert (
        await processes.other.claim(job().id, now=START + 4 * SECOND, until=START + 9 * SECOND)
        is None
    )


async def test_only_the_attempt_that_holds_the_job_may_report_or_settle_it(processes: Processes):
    await add(processes.one, job(total=10))
    stale = await claimed(processes.one, job().id, now=START, lease=SECOND)
    holder = await claimed(processes.other, job().id, now=START + SECOND)
    before = await processes.one.get(job().id)

    assert not await processes.one.extend(stale, until=START + 99 * SECOND, done=9)
    assert not await processes.one.release(stale.succeed({"by": "stale"}, START + 2 * SECOND))
    assert not await processes.one.release(stale.fail(JobError("x", "y"), START + 2 * SECOND))
    assert not await processes.one.release(stale.give_back(START + 2 * SECOND))
    assert await processes.one.get(job().id) == before
    assert await processes.other.release(holder.succeed({"by": "holder"}, START + 3 * SECOND))
    assert (await processes.one.get(job().id)).result == {"by": "holder"}


async def test_a_job_ends_once(processes: Processes):
    await add(processes.one, job())
    running = await claimed(processes.one, job().id)
    ends = [
        store.release(running.succeed({"by": n}, START + n * US))
        for n, store in enumerate(processes.stores * 3)
    ]

    settled = await asyncio.gather(*ends)

    assert settled.count(True) == 1
    assert (await processes.one.get(job().id)).result == {"by": settled.index(True)}
    assert not await processes.one.extend(running, until=START + 99 * SECOND, done=1)


async def test_a_job_given_back_is_free_at_once_the_attempt_not_counted_and_the_old_holder_shut_out(
    processes: Processes,
):
    await add(processes.one, job())
    old = await claimed(processes.one, job().id, now=START)

    assert await processes.one.release(old.give_back(START + US))
    new = await claimed(processes.other, job().id, now=START + US)

    assert (new.attempts, new.fence) == (1, 2)
    assert not await processes.one.release(old.give_back(START + US))
    assert not await processes.one.extend(old, until=START + 99 * SECOND, done=1)


async def test_a_job_to_be_tried_again_waits_for_its_time(processes: Processes):
    await add(processes.one, job())
    running = await claimed(processes.one, job().id, now=START)

    assert await processes.one.release(running.try_again(START + 3 * SECOND, START + 6 * SECOND))

    waiting = await processes.other.get(job().id)
    assert (waiting.state, waiting.due_at, waiting.deliver_at, waiting.attempts) == (
        JobState.QUEUED,
        START + 3 * SECOND,
        START + 6 * SECOND,
        1,
    )
    assert (
        await processes.other.claim(job().id, now=START + 2 * SECOND, until=START + 9 * SECOND)
        is None
    )


async def test_results_and_errors_are_kept(processes: Processes):
    done, failed = job(1, total=5), job(2)
    await add(processes.one, done, failed)
    running = [await claimed(processes.one, each.id, now=START + SECOND) for each in (done, failed)]
    result = {"text": "…", "numbers": [1, 0.1, 2**53 + 1], "none": None}

    await processes.one.release(running[0].succeed(result, START + 2 * SECOND))
    await processes.one.release(
        running[1].fail(JobError("code", "Why. What to do."), START + 2 * SECOND)
    )

    ended = [await processes.other.get(each.id) for each in (done, failed)]
    assert [
        (each.state, each.result, each.error, each.done, each.finished_at, each.deliver_at)
        for each in ended
    ] == [
        (JobState.SUCCEEDED, result, None, 5, START + 2 * SECOND, None),
        (JobState.FAILED, None, JobError("code", "Why. What to do."), 0, START + 2 * SECOND, None),
    ]


async def test_the_queue_is_bounded_also_for_many_at_one_time(processes: Processes):
    adds = [
        add_job(store, job(n), most_unfinished=5) for n, store in enumerate(processes.stores * 4)
    ]

    answers = await asyncio.gather(*adds, return_exceptions=True)

    assert [type(answer) for answer in answers if answer is not None] == [TooManyJobsError] * 11
    unfinished = await processes.one.unfinished()
    assert len(unfinished) == 5
    running = await claimed(processes.one, unfinished[0].id)
    await processes.one.release(running.succeed({}, START))
    await add_job(processes.one, job(99), most_unfinished=5)


async def test_lists_are_newest_first_in_pages_filtered_and_without_results(processes: Processes):
    jobs = [job(n, kind=("scan", "simulation", "playbook")[n % 3]) for n in range(7)]
    await add(processes.one, *jobs)
    await processes.one.release(
        (await claimed(processes.one, jobs[0].id)).succeed({"large": "…"}, START)
    )
    newest = [each.id for each in reversed(jobs)]

    async def ids(limit: int = 100, **wanted) -> list[str]:
        return [each.id for each in await processes.other.newest(JobFilter(**wanted), limit)]

    assert await ids() == newest
    assert await ids(3) == newest[:3]
    assert await ids(3, before=newest[2]) == newest[3:6]
    assert await ids(kinds=["scan"]) == [jobs[n].id for n in (6, 3, 0)]
    assert await ids(states=[JobState.SUCCEEDED, JobState.RUNNING]) == [jobs[0].id]
    assert await ids(states=[JobState.QUEUED], kinds=["scan"]) == [jobs[n].id for n in (6, 3)]
    assert (await processes.one.newest(JobFilter(states=[JobState.SUCCEEDED]), 1))[0].result is None


async def test_what_is_to_be_delivered_is_told_oldest_first_and_delivered_by_one(
    processes: Processes,
):
    late, early, later = job(2), job(1), job(3, deliver_at=START + 9 * SECOND)
    await add(processes.one, late, early, later)
    now = START + SECOND

    waiting = await processes.one.undelivered(now)
    took = await asyncio.gather(
        *[store.postpone(waiting[0], now + SECOND) for store in processes.stores * 3]
    )

    assert [each.id for each in waiting] == [early.id, late.id]
    assert took.count(True) == 1
    assert [each.id for each in await processes.other.undelivered(now)] == [late.id]
    assert [each.id for each in await processes.other.undelivered(START + 9 * SECOND)] == [
        early.id,
        late.id,
        later.id,
    ]


async def test_a_lease_that_ran_out_is_to_be_delivered_and_what_has_ended_is_not(
    processes: Processes,
):
    await add(processes.one, job(1), job(2))
    await claimed(processes.one, job(1).id, now=START + SECOND, lease=SECOND)
    ended = await claimed(processes.one, job(2).id, now=START + SECOND, lease=SECOND)
    await processes.one.release(ended.succeed({}, START + SECOND))

    assert await processes.other.undelivered(START + 2 * SECOND - US) == ()
    assert [each.id for each in await processes.other.undelivered(START + 2 * SECOND)] == [
        job(1).id
    ]
    assert not await processes.other.postpone(ended, START + 9 * SECOND)
