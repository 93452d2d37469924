"""The outbox: what follows a transaction is done at least once, in order per key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.coordination.dispatching import Dispatcher
from agentguard.coordination.outbox import OutboxEntry
from agentguard.kernel.clock import NS_PER_SECOND
from agentguard.kernel.errors import UnavailableError
from tests.databases import KINDS, empty_database

pytestmark = pytest.mark.anyio

START = 1_800_000_000 * NS_PER_SECOND
CLAIM = 60 * NS_PER_SECOND


class Clock:
    now = START

    def __call__(self) -> int:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += int(seconds * NS_PER_SECOND)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=KINDS)
async def processes(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> AsyncIterator[list[SqlUnitOfWork]]:
    """Several processes' views of one outbox."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(empty_database(request.param))
        databases = [
            await stack.enter_async_context(open_database(tmp_path, server)) for _ in range(3)
        ]
        yield [SqlUnitOfWork(database, clock) for database in databases]


async def put(process: SqlUnitOfWork, topic: str, key: str, **payload: Any) -> None:
    await process.run(lambda stores: stores.outbox.put(topic, key, payload))


async def waiting(process: SqlUnitOfWork, *topics: str) -> list[tuple[str, Mapping[str, Any]]]:
    found = await process.read(lambda stores: stores.outbox.waiting(topics))
    return [(entry.key, entry.payload) for entry in found]


async def claimed(process: SqlUnitOfWork, clock: Clock) -> OutboxEntry | None:
    due = await process.read(lambda stores: stores.outbox.due(["t"], clock()))
    if due is None:
        return None
    return await process.run(
        lambda stores: stores.outbox.claim(due, now=clock(), until=clock() + CLAIM)
    )


class Handled:
    """A handler that notes what it is given, and fails when told to."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, Any]] = []
        self.error: Exception | None = None

    async def __call__(self, entry: OutboxEntry) -> None:
        if self.error is not None:
            raise self.error
        self.entries.append((entry.key, entry.payload.get("n")))


async def test_what_a_failed_transaction_put_is_not_there(processes):
    async def fails(stores) -> None:
        await stores.outbox.put("t", "a", {})
        raise LookupError

    with pytest.raises(LookupError):
        await processes[0].run(fails)

    assert await waiting(processes[1], "t") == []


async def test_entries_of_one_key_that_wait_become_one_with_the_newest_payload(processes):
    for n in range(3):
        await put(processes[n], "t", "a", n=n)
    await put(processes[0], "t", "b\0ü", n=9)
    await put(processes[0], "other", "a", n=7)

    assert await waiting(processes[1], "t") == [("a", {"n": 2}), ("b\0ü", {"n": 9})]


async def test_what_is_put_while_its_key_is_handled_waits_its_turn(processes, clock: Clock):
    await put(processes[0], "t", "a", n=1)
    first = await claimed(processes[0], clock)
    await put(processes[1], "t", "a", n=2)
    assert await claimed(processes[1], clock) is None

    assert await processes[0].run(lambda stores: stores.outbox.remove(first))
    second = await claimed(processes[1], clock)
    assert (first.payload, second.payload) == ({"n": 1}, {"n": 2})


async def test_a_clock_that_is_set_back_keeps_no_entry_waiting(processes, clock: Clock):
    await put(processes[0], "t", "a", n=1)
    await put(processes[0], "t", "b", n=2)
    first = await claimed(processes[0], clock)
    clock.now -= 24 * 3600 * NS_PER_SECOND

    again = await claimed(processes[1], clock)
    assert (again.key, again.attempts) == (first.key, first.attempts + 1)
    assert await processes[1].run(lambda stores: stores.outbox.remove(again))
    assert (await claimed(processes[1], clock)).key == "b"


async def test_of_many_that_claim_at_once_one_gets_it(processes, clock: Clock):
    for _ in range(5):
        await put(processes[0], "t", "a")
        got = [
            each
            for each in await asyncio.gather(*[claimed(p, clock) for p in processes * 2])
            if each is not None
        ]
        assert len(got) == 1
        await processes[0].run(lambda stores, entry=got[0]: stores.outbox.remove(entry))


async def test_a_dead_process_claim_expires_and_its_late_word_does_not_count(
    processes, clock: Clock
):
    await put(processes[0], "t", "a")
    dead = await claimed(processes[0], clock)
    clock.forward(59)
    assert await claimed(processes[1], clock) is None
    clock.forward(1)
    heir = await claimed(processes[1], clock)

    assert heir.attempts == 2
    assert not await processes[0].run(lambda stores: stores.outbox.remove(dead))
    assert not await processes[0].run(lambda stores: stores.outbox.postpone(dead, START))
    assert not await processes[0].run(lambda stores: stores.outbox.extend(dead, START))
    assert await processes[1].run(lambda stores: stores.outbox.remove(heir))


async def test_draining_handles_all_of_the_topic_in_order_and_deletes_it(processes, clock: Clock):
    handled = Handled()
    for n, key in enumerate("abc"):
        await put(processes[0], "t", key, n=n)
    await put(processes[0], "unknown", "a")

    assert await Dispatcher(processes[1], {"t": handled}, clock).drain("t")
    assert handled.entries == [("a", 0), ("b", 1), ("c", 2)]
    assert await waiting(processes[0], "t", "unknown") == [("a", {})]


@pytest.mark.parametrize("error", [UnavailableError("Away."), OSError("disk"), ValueError("bug")])
async def test_what_fails_stays_and_is_tried_again_ever_later(
    processes, clock: Clock, error: Exception
):
    handled = Handled()
    handled.error = error
    dispatcher = Dispatcher(processes[0], {"t": handled}, clock)
    await put(processes[0], "t", "a", n=1)
    assert not await dispatcher.drain("t")
    await put(processes[1], "t", "a", n=2)
    handled.error = None
    assert not await dispatcher.drain("t")

    clock.forward(1)
    assert await dispatcher.drain("t")
    assert handled.entries == [("a", 2)]


async def test_draining_waits_for_the_process_that_is_at_it(processes, clock: Clock):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_entry: OutboxEntry) -> None:
        begun.set()
        await go_on.wait()

    await put(processes[0], "t", "a")
    async with asyncio.TaskGroup() as tasks:
        one = tasks.create_task(Dispatcher(processes[0], {"t": slow}, clock).drain("t"))
        await begun.wait()
        other = tasks.create_task(Dispatcher(processes[1], {"t": Handled()}, clock).drain("t"))
        await asyncio.sleep(0.1)
        assert not other.done()
        go_on.set()

    assert one.result()
    assert other.result()


async def test_delivering_does_not_wait_for_a_claim_of_another_process(processes, clock: Clock):
    begun = asyncio.Event()

    async def endless(_entry: OutboxEntry) -> None:
        begun.set()
        await asyncio.Event().wait()

    await put(processes[0], "t", "a")
    handled = Handled()
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        stuck = tasks.create_task(Dispatcher(processes[0], {"t": endless}, clock).drain("t"))
        await begun.wait()
        await put(processes[1], "t", "b")
        await Dispatcher(processes[1], {"t": handled}, clock).deliver("t")
        stuck.cancel()

    assert handled.entries == [("b", None)]


async def test_a_handler_that_is_cancelled_gives_the_entry_back_at_once(processes, clock: Clock):
    begun = asyncio.Event()

    async def endless(_entry: OutboxEntry) -> None:
        begun.set()
        await asyncio.Event().wait()

    await put(processes[0], "t", "a")
    async with asyncio.TaskGroup() as tasks:
        stopped = tasks.create_task(Dispatcher(processes[0], {"t": endless}, clock).drain("t"))
        await begun.wait()
        stopped.cancel()

    handled = Handled()
    assert await Dispatcher(processes[1], {"t": handled}, clock).drain("t")
    assert handled.entries == [("a", None)]
