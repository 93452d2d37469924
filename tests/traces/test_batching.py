"""What times out is withdrawn: it takes no effect and is held no longer."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Sequence

import pytest

from agentguard.traces.batching import Batcher, Ticket

pytestmark = pytest.mark.anyio

FOREVER = 60.0
SOON = 0.01


class Item:
    pass


class Work:
    """Takes effect on command."""

    def __init__(self, *, commits: bool = False) -> None:
        self.commits = commits
        self.go, self.begun = asyncio.Event(), asyncio.Event()
        self.effects: list[object] = []

    async def __call__(self, tickets: Sequence[Ticket[object, str]]) -> None:
        for ticket in tickets if self.commits else ():
            ticket.committed = True
        self.begun.set()
        await self.go.wait()
        for ticket in tickets:
            if not ticket.withdrawn:
                self.effects.append(ticket.item)
                ticket.resolve("done")


def batcher_of(work: Work) -> Batcher[object, str]:
    return Batcher(work, weigh=lambda _: 1, most_items=1, most_weight=1)


async def test_what_timed_out_in_the_queue_is_released_and_never_worked_on():
    work = Work()
    batcher = batcher_of(work)
    item = Item()
    released = weakref.ref(item)
    with pytest.raises(TimeoutError):
        await batcher.submit(item, SOON)
    del item
    gc.collect()

    work.go.set()
    batcher.close()
    await batcher.run()
    assert released() is None
    assert work.effects == []


async def test_what_timed_out_in_work_takes_no_effect():
    work = Work()
    batcher = batcher_of(work)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(batcher.run())
        with pytest.raises(TimeoutError):
            await batcher.submit("late", SOON)
        work.go.set()
        assert await batcher.submit("next", FOREVER) == "done"
        batcher.close()

    assert work.effects == ["next"]


async def test_what_is_committed_is_waited_for():
    work = Work(commits=True)
    batcher = batcher_of(work)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(batcher.run())
        waiting = tasks.create_task(batcher.submit("slow", SOON))
        await work.begun.wait()
        await asyncio.sleep(SOON * 3)
        assert not waiting.done()
        work.go.set()
        batcher.close()

    assert waiting.result() == "done"
    assert work.effects == ["slow"]


async def test_a_cancelled_caller_withdraws():
    work = Work()
    batcher = batcher_of(work)
    caller = asyncio.create_task(batcher.submit("gone", FOREVER))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])

    work.go.set()
    batcher.close()
    await batcher.run()
    assert work.effects == []


async def test_an_error_of_the_work_reaches_every_caller():
    async def fails(_tickets: Sequence[Ticket[object, str]]) -> None:
        raise ValueError("broken")

    batcher: Batcher[object, str] = Batcher(fails, weigh=lambda _: 1, most_items=9, most_weight=9)
    async with asyncio.TaskGroup() as tasks:
        callers = [tasks.create_task(_error(batcher, n)) for n in range(3)]
        await asyncio.sleep(0)
        tasks.create_task(batcher.run())
        await asyncio.wait(callers)
        batcher.close()

    assert [caller.result() for caller in callers] == ["broken"] * 3


async def _error(batcher: Batcher[object, str], item: object) -> str:
    with pytest.raises(ValueError, match="broken") as raised:
        await batcher.submit(item, FOREVER)
    return str(raised.value)
