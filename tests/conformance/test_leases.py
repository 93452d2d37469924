"""What every Leases promises."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.kernel.clock import NS_PER_SECOND
from tests.databases import KINDS, empty_database

pytestmark = pytest.mark.anyio


class Clock:
    now = 1_000 * NS_PER_SECOND

    def __call__(self) -> int:
        return self.now


@dataclass(frozen=True)
class Process:
    """Holds leases, each call in a transaction of its own."""

    unit_of_work: SqlUnitOfWork

    async def hold(self, name: str, holder: str, seconds: float) -> bool:
        return await self.unit_of_work.run(lambda s: s.leases.hold(name, holder, seconds))

    async def release(self, name: str, holder: str) -> None:
        await self.unit_of_work.run(lambda s: s.leases.release(name, holder))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=KINDS)
async def processes(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock):
    """Several processes' views of the same leases."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(empty_database(request.param))
        databases = [
            await stack.enter_async_context(open_database(tmp_path, server)) for _ in range(4)
        ]
        yield [Process(SqlUnitOfWork(database, clock)) for database in databases]


async def test_one_holds_it_until_it_is_out(processes, clock: Clock):
    assert await processes[0].hold("live", "a", 10)
    assert not await processes[1].hold("live", "b", 10)
    assert await processes[1].hold("other", "b", 10)

    clock.now += 9 * NS_PER_SECOND
    assert await processes[0].hold("live", "a", 10)
    clock.now += 9 * NS_PER_SECOND
    assert not await processes[1].hold("live", "b", 10)
    clock.now += 1 * NS_PER_SECOND
    assert await processes[1].hold("live", "b", 10)
    assert not await processes[0].hold("live", "a", 10)


async def test_who_lets_go_lets_the_next_in_at_once_and_nobody_lets_go_for_another(processes):
    assert await processes[0].hold("live", "a", 10)
    await processes[1].release("live", "b")
    assert not await processes[1].hold("live", "b", 10)

    await processes[0].release("live", "a")
    assert await processes[1].hold("live", "b", 10)


async def test_of_many_that_ask_at_once_exactly_one_gets_it(processes, clock: Clock):
    for _ in range(10):
        got = await asyncio.gather(
            *[each.hold("live", str(n), 10) for n, each in enumerate(processes * 2)]
        )
        assert sum(got) == 1
        clock.now += 10 * NS_PER_SECOND
