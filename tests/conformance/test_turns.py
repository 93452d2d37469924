"""Work that one of several processes does, which may die, hang or run on another host."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agentguard.adapters.files import processes as process_files
from agentguard.adapters.files.processes import FileProcesses, registered
from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.coordination import turns
from agentguard.coordination.turns import Turn
from agentguard.kernel.clock import system_clock
from tests.databases import KINDS, empty_database
from tests.forking import ForkedProcess

pytestmark = pytest.mark.anyio

WORK = "live"
CLOCK_STEP = 0.001
"""Seconds: the precision of SQLite's clock."""


@pytest.fixture(params=KINDS)
async def unit_of_work(request: pytest.FixtureRequest, tmp_path: Path):
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(empty_database(request.param))
        database = await stack.enter_async_context(open_database(tmp_path, server))
        yield SqlUnitOfWork(database, system_clock)


def hold_the_lock(directory: Path, name: str) -> None:
    with registered(directory, name):
        signal.pause()


@asynccontextmanager
async def other_process(directory: Path, name: str):
    """A process that is registered, and killed in the end."""
    process = ForkedProcess(
        _Registering(directory, name), directory / "log", directory=directory, environment={}
    )
    until = time.monotonic() + 60
    while not (file := directory / "processes" / name).exists() or not file.read_bytes():
        assert time.monotonic() < until
        await asyncio.sleep(0.01)
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)


@dataclass(frozen=True)
class _Registering:
    directory: Path
    name: str

    def __call__(self) -> None:
        hold_the_lock(self.directory, self.name)


async def test_a_successor_on_the_same_host_takes_over_from_a_killed_process_at_once(
    tmp_path: Path, unit_of_work
):
    async with other_process(tmp_path, "old") as process:
        assert await Turn(WORK, unit_of_work, FileProcesses(tmp_path / "processes", "old")).hold()
        with registered(tmp_path, "new") as mine:
            turn = Turn(WORK, unit_of_work, mine)
            assert not await turn.hold()
            process.send_signal(signal.SIGSTOP)
            assert not await turn.hold()

            process.kill()
            process.wait(60)
            assert await turn.hold()


async def test_a_process_that_ends_lets_the_next_in(tmp_path: Path, unit_of_work):
    with registered(tmp_path, "one") as one, registered(tmp_path, "two") as two:
        first, second = Turn(WORK, unit_of_work, one), Turn(WORK, unit_of_work, two)
        async with first.kept():
            assert await first.hold()
            assert not await second.hold()

        assert await second.hold()


async def test_a_dead_process_of_another_boot_or_host_is_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its lease ends by the database's clock."""
    async with other_process(tmp_path, "old") as process:
        process.kill()
        process.wait(60)
        here = FileProcesses(tmp_path / "processes", "new")
        assert here.is_dead("old")

        assert not here.is_dead("a process of another directory")
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(process_files, "_host", lambda: b"another boot\n")
            assert not here.is_dead("old")


async def test_forgotten_files_of_dead_processes_are_deleted(tmp_path: Path):
    folder = tmp_path / "processes"
    async with other_process(tmp_path, "dead") as process, other_process(tmp_path, "alive"):
        process.kill()
        process.wait(60)
        for path in folder.iterdir():
            os.utime(path, (0, 0))
        with registered(tmp_path, "new"):
            assert {path.name for path in folder.iterdir()} == {"alive", "new"}

    assert "new" not in {path.name for path in folder.iterdir()}


async def test_the_lease_is_renewed_during_long_work(
    tmp_path: Path, unit_of_work, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(turns, "LEASE_SECONDS", 0.3)
    counted = Counted(unit_of_work)
    with registered(tmp_path, "one") as one:
        turn = Turn(WORK, counted, one)
        async with turn.kept():
            assert await turn.hold()
            for _ in range(3):  # while the work goes on
                await asyncio.wait_for(counted.runs.acquire(), 60)


@dataclass
class Counted:
    """A UnitOfWork that counts its transactions."""

    inner: SqlUnitOfWork
    runs: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def run(self, work):
        self.runs.release()
        return await self.inner.run(work)

    async def read(self, work):
        return await self.inner.read(work)


async def test_the_age_is_that_of_the_last_complete_work_of_any_process(
    tmp_path: Path, unit_of_work
):
    with registered(tmp_path, "one") as one, registered(tmp_path, "two") as two:
        worker, watcher = Turn(WORK, unit_of_work, one), Turn(WORK, unit_of_work, two)
        began = time.monotonic()
        async with worker.kept():
            assert await worker.hold()
            await worker.done()
        young = await watcher.age()
        assert young <= time.monotonic() - began + CLOCK_STEP

        await asyncio.sleep(10 * CLOCK_STEP)
        assert await watcher.age() > young


async def test_before_any_work_was_complete_the_age_is_that_of_the_process(
    tmp_path: Path, unit_of_work
):
    began = time.monotonic()
    with registered(tmp_path, "one") as one:
        turn = Turn(WORK, unit_of_work, one)

        assert 0 <= await turn.age() <= time.monotonic() - began
