from __future__ import annotations

import asyncio
import multiprocessing
import os
import time

import pytest

from agentguard.compute.pools import ProcessPool, WorkerDiedError

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
