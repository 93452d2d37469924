"""What every Leases promises."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select, update

from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.tables import leases
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.kernel.clock import NS_PER_SECOND
from tests.databases import KINDS, empty_database

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Process:
    """Holds leases, each call in a transaction of its own; its own clock is wrong by years."""

    unit_of_work: SqlUnitOfWork

    async def hold(
        self, name: str, holder: str, seconds: float, done_ago: float | None = None
    ) -> bool:
        return await self.unit_of_work.run(
            lambda s: s.leases.hold(name, holder, seconds, done_ago=done_ago)
        )

    async def release(self, name: str, holder: str) -> None:
        await self.unit_of_work.run(lambda s: s.leases.release(name, holder))

    async def holder(self, name: str) -> str | None:
        return await self.unit_of_work.read(lambda s: s.leases.holder(name))

    async def seconds_since_done(self, name: str) -> float | None:
        return await self.unit_of_work.read(lambda s: s.leases.seconds_since_done(name))

    async def pass_time(self, seconds: float) -> None:
        """Let the database's clock advance, or go back: move what is stored the other way."""
        async with self.unit_of_work.database.engine.begin() as connection:
            for row in (await connection.execute(select(leases))).all():
                moved = {
                    name: None if value is None else value - int(seconds * NS_PER_SECOND)
                    for name, value in (("until", row.until), ("done_at", row.done_at))
                }
                await connection.execute(
                    update(leases).where(leases.c.name == row.name).values(moved)
                )


@pytest.fixture(params=KINDS)
async def processes(request: pytest.FixtureRequest, tmp_path: Path):
    """Several processes' views of the same leases."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(empty_database(request.param))
        databases = [
            await stack.enter_async_context(open_database(tmp_path, server)) for _ in range(4)
        ]
        yield [
            Process(SqlUnitOfWork(database, partial(int, n * 10**18)))
            for n, database in enumerate(databases)
        ]


async def test_one_holds_it_until_it_is_out(processes):
    assert await processes[0].hold("live", "a", 100)
    assert not await processes[1].hold("live", "b", 100)
    assert await processes[1].hold("other", "b", 100)

    await processes[2].pass_time(60)
    assert await processes[0].hold("live", "a", 100)
    await processes[2].pass_time(60)
    assert not await processes[1].hold("live", "b", 100)
    await processes[2].pass_time(41)
    assert await processes[1].hold("live", "b", 100)
    assert not await processes[0].hold("live", "a", 100)


async def test_a_lease_from_before_the_clock_was_set_back_is_void(processes):
    assert await processes[0].hold("live", "a", 100)

    await processes[2].pass_time(-2 * 86_400)

    assert await processes[1].hold("live", "b", 100)
    assert not await processes[0].hold("live", "a", 100)


async def test_who_lets_go_lets_the_next_in_at_once_and_nobody_lets_go_for_another(processes):
    assert await processes[0].hold("live", "a", 100)
    await processes[1].release("live", "b")
    assert not await processes[1].hold("live", "b", 100)
    assert await processes[1].holder("live") == "a"

    await processes[0].release("live", "a")
    assert await processes[1].holder("live") is None
    assert await processes[1].hold("live", "b", 100)


async def test_the_time_of_complete_work_outlives_its_holder(processes):
    assert await processes[0].seconds_since_done("live") is None
    await processes[0].hold("live", "a", 100)
    assert await processes[0].seconds_since_done("live") is None

    await processes[0].hold("live", "a", 100, 30)
    await processes[0].hold("live", "a", 100)
    await processes[0].release("live", "a")
    await processes[2].pass_time(1000)
    assert await processes[1].hold("live", "b", 100)

    found = await processes[1].seconds_since_done("live")
    assert found is not None
    assert 1030 <= found < 1100


async def test_work_done_in_the_future_was_done_now(processes):
    await processes[0].hold("live", "a", 100, 0)

    await processes[2].pass_time(-3600)

    assert await processes[1].seconds_since_done("live") == 0


async def test_of_many_that_ask_at_once_exactly_one_gets_it(processes):
    for _ in range(10):
        got = await asyncio.gather(
            *[each.hold("live", str(n), 100) for n, each in enumerate(processes * 2)]
        )
        assert sum(got) == 1
        await processes[0].pass_time(101)
