from __future__ import annotations

import asyncio
import multiprocessing
import os
import time

import pytest

from agentguard.compute.pools import ProcessPool, TaskLimits, WorkerDiedError, WorkerStuckError

pytestmark = pytest.mark.anyio


def _prepare() -> list[str]:
    return ["prepared"]


def _die(state: list[str]) -> None:
    os._exit(9)


def _state(state: list[str], more: str) -> list[str]:
    return [*state, more]


def _sleep(_state: list[str]) -> None:
    time.sleep(600)


async def test_closing_does_not_wait_for_what_was_given_up():
    workers = ProcessPool(_prepare)
    await workers.run(_state, "up")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(workers.run(_sleep), 0.1)

    workers.close()
    assert not multiprocessing.active_children()


async def test_a_worker_process_is_started_again_when_it_dies():
    workers = ProcessPool(_prepare)
    try:
        assert await workers.run(_state, "a") == ["prepared", "a"]
        with pytest.raises(WorkerDiedError):
            await workers.run(_die)
        assert await workers.run(_state, "b") == ["prepared", "b"]
    finally:
        workers.close()


def _compute(_state: list[str]) -> None:
    while True:
        pass


async def test_a_task_that_computes_for_too_long_is_ended_and_the_process_replaced():
    workers = ProcessPool(_prepare, TaskLimits(cpu_seconds=0.1, wall_seconds=60))
    try:
        with pytest.raises(WorkerStuckError):
            await workers.run(_compute)
        assert await workers.run(_state, "b") == ["prepared", "b"]
    finally:
        workers.close()


async def test_a_task_that_waits_for_too_long_is_ended_and_the_process_replaced():
    workers = ProcessPool(_prepare, TaskLimits(cpu_seconds=60, wall_seconds=0.2))
    try:
        with pytest.raises(WorkerStuckError):
            await workers.run(_sleep)
        assert not workers.busy_seconds
        assert await workers.run(_state, "b") == ["prepared", "b"]
    finally:
        workers.close()


async def test_a_killed_process_is_no_exceeded_limit():
    workers = ProcessPool(_prepare, TaskLimits(cpu_seconds=60, wall_seconds=60))
    try:
        with pytest.raises(WorkerDiedError) as raised:
            await workers.run(_die)
        assert not isinstance(raised.value, WorkerStuckError)
    finally:
        workers.close()


async def test_tasks_behind_a_long_one_are_not_ended_for_it():
    workers = ProcessPool(_prepare, TaskLimits(cpu_seconds=60, wall_seconds=3.5))
    try:
        await workers.run(_state, "up")
        naps = [workers.run(_nap) for _ in range(3)]
        assert await asyncio.gather(*naps) == [None] * 3
    finally:
        workers.close()


def _nap(_state: list[str]) -> None:
    time.sleep(1.3)


async def _ping_until_it_fails(workers: ProcessPool[list[str]]) -> None:
    while True:
        await workers.ping()


@pytest.mark.parametrize("limits", [None, TaskLimits(cpu_seconds=60, wall_seconds=60)])
async def test_a_process_that_died_while_idle_is_told_once(limits):
    workers = ProcessPool(_prepare, limits)
    try:
        await workers.run(_state, "up")
        for process in multiprocessing.active_children():
            process.kill()
            process.join()
        with pytest.raises(WorkerDiedError):
            await _ping_until_it_fails(workers)
        assert await workers.run(_state, "b") == ["prepared", "b"]
    finally:
        workers.close()
