"""Reads that concurrent callers share."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from agentguard.adapters.sql.graphs import SqlGraphVersions
from agentguard.coordination.sharing import SharedReads
from agentguard.graph.storage.versions import Graphs
from agentguard.kernel.errors import UnavailableError
from tests.web.counted import counting
from tests.web.serving import opened, until
from tests.web.streaming import streaming

pytestmark = pytest.mark.anyio


class Source:
    """What is read; each read takes until it is let go."""

    def __init__(self) -> None:
        self.value, self.reads, self.go = 0, 0, asyncio.Event()

    async def read(self) -> int:
        self.reads += 1
        value = self.value
        await self.go.wait()
        return value


async def test_callers_before_a_read_share_it_and_later_ones_get_a_newer_one():
    shared: SharedReads[int] = SharedReads()
    source = Source()
    async with asyncio.TaskGroup() as tasks:
        early = [tasks.create_task(shared.of("k", source.read)) for _ in range(100)]
        await asyncio.sleep(0.01)
        source.value = 1
        late = [tasks.create_task(shared.of("k", source.read)) for _ in range(100)]
        await asyncio.sleep(0.01)
        source.go.set()

    assert {task.result() for task in early} == {0}
    assert {task.result() for task in late} == {1}
    assert source.reads == 2


async def test_a_cancelled_caller_takes_nothing_from_the_others():
    shared: SharedReads[int] = SharedReads()
    source = Source()
    first = asyncio.create_task(shared.of("k", source.read))
    second = asyncio.create_task(shared.of("k", source.read))
    await asyncio.sleep(0)
    first.cancel()
    source.go.set()

    assert await second == 0
    assert source.reads == 1


async def test_a_failure_reaches_all_its_callers_and_is_not_kept():
    shared: SharedReads[int] = SharedReads()

    async def fails() -> int:
        raise UnavailableError("Try again.")

    async def works() -> int:
        return 1

    found = await asyncio.gather(*[shared.of("k", fails) for _ in range(3)], return_exceptions=True)

    assert [type(each) for each in found] == [UnavailableError] * 3
    assert await shared.of("k", works) == 1


async def test_idle_streams_share_their_reads(tmp_path, monkeypatch):
    asked = counting(monkeypatch, Graphs, "datasets")
    read = counting(monkeypatch, SqlGraphVersions, "datasets")
    async with (
        opened(tmp_path) as app,
        streaming(app, look_seconds=0.5) as (client, _),
        AsyncExitStack() as stack,
    ):
        for _ in range(30):
            stream = client.stream("GET", "/api/events", params={"dataset": "none"})
            response = await stack.enter_async_context(stream)
            assert response.status_code == 200
        asked.clear()
        read.clear()

        async def looked() -> bool:
            return asked["datasets"] >= 90

        await until(looked)

    assert read["datasets"] < asked["datasets"] / 5
