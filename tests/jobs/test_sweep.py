"""Whatever becomes of a delivery, the job is delivered again until it has ended.

And not more often than that needs.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agentguard.jobs.dispatch import BrokerUnavailableError, DeadLetter, NoDeadLettersError
from agentguard.jobs.model import Job, JobState
from agentguard.jobs.sweep import Sweep
from agentguard.kernel.clock import NS_PER_SECOND
from tests.jobs.opening import LEASE_SECONDS, START, opened, until

pytestmark = pytest.mark.anyio


class Notebook:
    """A JobDispatcher to nobody.

    What a real broker does with its messages is tested with real brokers, here only what it is
    given counts.
    """

    def __init__(self, letters: tuple[DeadLetter, ...] | None = None) -> None:
        self.delivered: list[str] = []
        self.tried = 0
        self.away = False
        self._letters = letters

    async def deliver(self, job: Job) -> None:
        self.tried += 1
        await self.ping()
        self.delivered.append(job.id)

    async def ping(self) -> None:
        if self.away:
            raise BrokerUnavailableError("amqp://here", "refused")

    async def dead_letters(self) -> tuple[DeadLetter, ...]:
        if self._letters is None:
            raise NoDeadLettersError("a notebook")
        return self._letters


async def never(_job: Job, _report) -> dict[str, int]:
    raise AssertionError


def sweep_of(here, delivery: Notebook) -> Sweep:
    return Sweep(here.store, delivery, here.clock, LEASE_SECONDS, here.attempts.clear)


async def test_a_new_job_is_delivered_once_and_again_after_a_lease_that_nobody_took(tmp_path: Path):
    async with opened(tmp_path) as here:
        delivery = Notebook()
        job = await here.submit()
        for _ in range(3):
            await sweep_of(here, delivery).sweep()
        assert delivery.delivered == [job.id]

        here.clock.forward(LEASE_SECONDS)
        await sweep_of(here, delivery).sweep()

        assert delivery.delivered == [job.id] * 2


async def test_deliveries_to_absent_workers_grow_rare(tmp_path: Path):
    async with opened(tmp_path) as here:
        delivery = Notebook()
        await here.submit()
        for _ in range(48 * 6):  # two days of looks, ten minutes apart
            await sweep_of(here, delivery).sweep()
            here.clock.forward(600)

        assert 45 < len(delivery.delivered) < 55


async def test_many_sweeps_at_one_time_deliver_each_job_once(tmp_path: Path):
    async with opened(tmp_path) as here, opened(tmp_path, clock=here.clock) as there:
        delivery = Notebook()
        jobs = [await here.submit() for _ in range(5)]

        await asyncio.gather(*[sweep_of(each, delivery).sweep() for each in (here, there) * 4])

        assert sorted(delivery.delivered) == sorted(job.id for job in jobs)


async def test_a_job_made_while_the_broker_is_away_is_delivered_when_it_is_back(tmp_path: Path):
    async with opened(tmp_path) as here:
        delivery = Notebook()
        delivery.away = True
        job = await here.submit()
        with pytest.raises(BrokerUnavailableError):
            await sweep_of(here, delivery).sweep()
        delivery.away = False

        await sweep_of(here, delivery).sweep()

        assert delivery.delivered == [job.id]


async def test_a_lease_that_ran_out_is_delivered_and_one_that_holds_is_not(tmp_path: Path):
    async with opened(tmp_path) as here:
        delivery = Notebook()
        job = await here.submit()
        await here.store.claim(job.id, now=START, until=START + 5 * NS_PER_SECOND)
        here.clock.forward(4)
        await sweep_of(here, delivery).sweep()
        assert delivery.delivered == []

        here.clock.forward(1)
        await sweep_of(here, delivery).sweep()

        assert delivery.delivered == [job.id]


async def test_what_the_broker_gave_up_fails_in_the_table_and_is_not_delivered_again(
    tmp_path: Path,
):
    cleared: list[Job] = []

    async def clear(job: Job) -> None:
        cleared.append(job)

    async with opened(tmp_path, never, clear=clear) as here:
        given_up, alive = await here.submit(), await here.submit()
        await sweep_of(here, Notebook()).sweep()
        letter = DeadLetter(given_up.id, "agentguard.scan_task", "delivery_limit", START)
        rejected = DeadLetter(alive.id, "agentguard.scan_task", "rejected", START)
        delivery = Notebook((letter, rejected))

        here.clock.forward(LEASE_SECONDS)
        await sweep_of(here, delivery).sweep()

        failed = await here.jobs.get(given_up.id)
        assert [job.id for job in cleared] == [failed.id]
        assert (failed.state, failed.error.code) == (JobState.FAILED, "worker-died")
        assert delivery.delivered == [alive.id]


async def test_what_somebody_works_on_is_not_failed_for_an_older_letter(tmp_path: Path):
    async with opened(tmp_path) as here:
        job = await here.submit()
        delivery = Notebook((DeadLetter(job.id, "agentguard.scan_task", "delivery_limit", START),))
        here.clock.forward(LEASE_SECONDS)
        held = await here.store.claim(job.id, now=here.clock(), until=here.clock() + NS_PER_SECOND)

        await sweep_of(here, delivery).sweep()

        assert await here.jobs.get(job.id) == held


async def test_it_goes_on_whatever_a_look_came_to(tmp_path: Path):
    async with opened(tmp_path) as here:
        delivery = Notebook()
        sweep = sweep_of(here, delivery)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(sweep.run())
            delivery.away = True
            job = await here.submit()
            sweep.wake()
            await until(lambda: _is(lambda: delivery.tried > 1))
            assert sweep.failure == "BrokerUnavailableError"
            delivery.away = False
            sweep.wake()
            await until(
                lambda: _is(lambda: delivery.delivered == [job.id] and sweep.failure is None)
            )
            running.cancel()


async def _is(question) -> bool:
    return question()
