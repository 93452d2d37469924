"""The port RateLimits, against every adapter."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import redis.asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentguard.adapters.memory.limits import MemoryRateLimits
from agentguard.adapters.redis.connection import PREFIX
from agentguard.coordination.limits import WINDOW_SECONDS, RateLimits
from scripts.services.redis import redis as redis_server
from tests.conformance.coordinated import Clock, Processes, drive_redis_limits, processes
from tests.services import own, redis_url
from tests.web.serving import until

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "redis"])
async def opened(request, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Processes]:
    async with processes(None if request.param == "memory" else redis_url()) as opened:
        drive_redis_limits(monkeypatch, opened.clock)
        yield opened


def new_client() -> str:
    return uuid4().hex


async def test_so_many_are_admitted_and_no_more(opened: Processes):
    limits, client = await opened.limits(3), new_client()

    found = [await limits.admit(client) for _ in range(5)]

    assert [quota.admitted for quota in found] == [True, True, True, False, False]
    assert [quota.left for quota in found] == [2, 1, 0, 0, 0]
    assert {quota.limit for quota in found} == {3}
    assert {quota.seconds for quota in found} == {WINDOW_SECONDS}


async def test_there_is_room_again_as_each_request_leaves_the_minute(opened: Processes):
    limits, client = await opened.limits(2), new_client()
    await limits.admit(client)
    opened.clock.now += 40
    await limits.admit(client)
    opened.clock.now += 10

    refused = await limits.admit(client)
    opened.clock.now += refused.seconds + 0.01
    admitted, full = await limits.admit(client), await limits.admit(client)

    assert (refused.admitted, round(refused.seconds, 2)) == (False, 10)
    assert (admitted.admitted, admitted.left) == (True, 0)
    assert (full.admitted, round(full.seconds, 2)) == (False, 39.99)


async def test_what_was_refused_is_not_counted(opened: Processes):
    limits, client = await opened.limits(1), new_client()
    await limits.admit(client)
    for _ in range(6):
        opened.clock.now += 9
        assert not (await limits.admit(client)).admitted
    opened.clock.now += 7

    assert (await limits.admit(client)).admitted


@pytest.mark.parametrize("end", ["x", "/", ":", " ", "\0", "*", "ä", "::1%lo", "1" * 1000])
async def test_clients_are_counted_apart_whatever_they_are_called(opened: Processes, end: str):
    limits, client = await opened.limits(1), new_client()

    found = [
        (await limits.admit(name)).admitted for name in (client, client + end, client, client + end)
    ]

    assert found == [True, True, False, False]


async def test_of_many_at_a_time_so_many_are_admitted(opened: Processes):
    limits, client = await opened.limits(20), new_client()

    found = await asyncio.gather(*[limits.admit(client) for _ in range(100)])

    assert sum(quota.admitted for quota in found) == 20


async def test_processes_count_together(opened: Processes, request):
    if opened.url is None:
        request.applymarker(
            pytest.mark.xfail(
                strict=True, raises=AssertionError, reason="One process's count is its own."
            )
        )
    several, client = [await opened.limits(20) for _ in range(4)], new_client()

    found = await asyncio.gather(*[limits.admit(client) for limits in several * 25])

    assert sum(quota.admitted for quota in found) == 20


STEPS = st.lists(
    st.tuples(st.sampled_from([0, 0.5, 1, 7, 20, 59.5, 60, 61]), st.sampled_from("ab")), max_size=40
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, limit=st.integers(1, 4))
def test_in_no_minute_more_are_admitted_and_as_many_as_may(
    steps: list[tuple[float, str]], limit: int
):
    admitted = asyncio.run(_admitted_by_memory(steps, limit))

    assert admitted == _naively_admitted(steps, limit)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, limit=st.integers(1, 4))
def test_redis_and_memory_admit_the_same(
    monkeypatch: pytest.MonkeyPatch, steps: list[tuple[float, str]], limit: int
):
    url = redis_url()

    assert asyncio.run(_admitted_by_redis(monkeypatch, url, steps, limit)) == asyncio.run(
        _admitted_by_memory(steps, limit)
    )


def _naively_admitted(steps: list[tuple[float, str]], limit: int) -> list[bool]:
    now, times, admitted = 0.0, defaultdict[str, list[float]](list), []
    for seconds, client in steps:
        now += seconds
        admitted.append(sum(time >= now - WINDOW_SECONDS for time in times[client]) < limit)
        if admitted[-1]:
            times[client].append(now)
    return admitted


async def _admitted_by_memory(steps: list[tuple[float, str]], limit: int) -> list[bool]:
    clock = Clock()
    return await _admitted(MemoryRateLimits(limit, clock), clock, steps)


async def _admitted_by_redis(
    monkeypatch: pytest.MonkeyPatch, url: str, steps: list[tuple[float, str]], limit: int
) -> list[bool]:
    async with processes(url) as opened:
        drive_redis_limits(monkeypatch, opened.clock)
        return await _admitted(await opened.limits(limit), opened.clock, steps)


async def _admitted(limits: RateLimits, clock: Clock, steps: list[tuple[float, str]]) -> list[bool]:
    run, found = new_client(), []
    for seconds, client in steps:
        clock.now += seconds
        found.append((await limits.admit(run + client)).admitted)
    return found


async def test_memory_does_not_grow_with_strangers():
    clock = Clock()
    limits = MemoryRateLimits(1, clock)
    for n in range(20_000):
        await limits.admit(f"{n}")

    assert (await limits.admit("0")).admitted
    assert not (await limits.admit("19999")).admitted


async def test_redis_keeps_no_count_without_an_end():
    client = new_client()
    async with (
        processes(redis_url()) as opened,
        redis.asyncio.Redis.from_url(redis_url()) as beside,
    ):
        await (await opened.limits(1)).admit(client)
        (key,) = [each async for each in beside.scan_iter(f"{PREFIX}limits*{client}*")]

        assert 0 < await beside.ttl(key) <= WINDOW_SECONDS


async def test_without_redis_each_process_counts_for_itself_until_it_is_back(
    tmp_path: Path,
):
    with own(redis_server, tmp_path) as server:
        async with processes(server.settings["AGENTGUARD_REDIS_URL"], timeout_seconds=5) as opened:
            several = [await opened.limits(10) for _ in range(3)]
            together = await _admissions(several, "before")
            async with asyncio.TaskGroup() as tasks:
                asking = tasks.create_task(_ask_on(several, "meanwhile", opened))
                await asyncio.to_thread(server.kill)
                await until(lambda: _are_paused(opened))
                asking.cancel()
            apart = await _admissions(several, "away")
            await asyncio.to_thread(server.start)
            await until(lambda: _is_counted_together(several))

    assert (together, apart) == (10, 30)


async def _admissions(several: list[RateLimits], client: str) -> int:
    found = await asyncio.gather(*[limits.admit(client) for limits in several * 20])
    return sum(quota.admitted for quota in found)


async def _ask_on(several: list[RateLimits], client: str, opened: Processes) -> None:
    while True:
        await asyncio.gather(*[limits.admit(client) for limits in several])


async def _are_paused(opened: Processes) -> bool:
    return all(connection.paused for connection in opened.connections)


async def _is_counted_together(several: list[RateLimits]) -> bool:
    return await _admissions(several, new_client()) == 10
