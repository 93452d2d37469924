"""Processes that append to one audit log and sequence it, until they are killed."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import NoReturn

from pydantic import SecretStr

from agentguard.adapters.files.processes import registered
from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.keys import SigningKey
from agentguard.audit.recording import AuditTrail
from agentguard.audit.sequencing import CheckpointMemory
from agentguard.audit.sequencing_loop import SEQUENCING
from agentguard.bootstrap.audit_keys import rotate
from agentguard.bootstrap.auditing import sequencer_of
from agentguard.bootstrap.opening import open_app
from agentguard.coordination.turns import Turn
from agentguard.kernel.clock import system_clock
from agentguard.settings import Settings
from tests.acting import TESTER
from tests.forking import ForkedProcess


@dataclass(frozen=True)
class Place:
    """Where a log is."""

    folder: Path
    url: str | None = None

    @property
    def settings(self) -> Settings:
        url = None if self.url is None else SecretStr(self.url)
        return Settings(data_dir=self.folder / "data", database_url=url)

    @property
    def server(self) -> PostgreSQL | None:
        if self.url is None:
            return None
        return PostgreSQL(self.url, pool_size=3, timeout_seconds=20)

    def acknowledged(self) -> list[str]:
        """Return the objects whose entries were committed, as the processes said."""
        lines = [file.read_text().splitlines() for file in self.folder.glob("*.log")]
        said = itertools.chain.from_iterable(lines)
        return [line.removeprefix("done ") for line in said if line.startswith("done ")]


@contextmanager
def writing(place: Place, name: str, most: int | None = None) -> Iterator[ForkedProcess]:
    """Run a process that appends, and sequences whenever it has the lease."""
    with _running(place, name, partial(_write, place, name, most)) as process:
        yield process


@contextmanager
def rotating(place: Place, name: str) -> Iterator[ForkedProcess]:
    """Run a process that replaces the key again and again."""
    with _running(place, name, partial(_rotate, place)) as process:
        yield process


@contextmanager
def _running(place: Place, name: str, function: partial[None]) -> Iterator[ForkedProcess]:
    process = ForkedProcess(
        function,
        place.folder / f"{name}.log",
        directory=place.folder,
        environment=dict(os.environ),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


def _write(place: Place, name: str, most: int | None) -> None:
    asyncio.run(_appended_and_sequenced(place, name, most))


async def _appended_and_sequenced(place: Place, name: str, most: int | None) -> None:
    data = place.settings.data_dir
    async with open_database(data, place.server) as database:
        unit = SqlUnitOfWork(database, system_clock)
        with registered(data, name) as processes:
            turn = Turn(SEQUENCING, unit, processes)
            sequencing = asyncio.create_task(_sequence(place, unit, turn))
            await _append(unit, name, most)
            sequencing.cancel()
            await asyncio.wait([sequencing])


async def _append(unit: SqlUnitOfWork, name: str, most: int | None) -> None:
    for number in itertools.count() if most is None else range(most):
        told = f"{name}-{number}"

        async def work(stores, told: str = told) -> None:
            await AuditTrail().record(stores.audit, TESTER, "x.done", object_id=told)

        await unit.run(work)
        os.write(1, f"done {told}\n".encode())


async def _sequence(place: Place, unit: SqlUnitOfWork, turn: Turn) -> None:
    sequencer = await sequencer_of(place.settings, unit)
    async with turn.kept():
        while True:
            if await turn.hold():
                await sequencer.run_once()
                os.write(1, b"sequenced\n")
            await asyncio.sleep(0)


class Moment(Enum):
    """When a process dies while it sequences."""

    BEFORE_SIGNING = "indexes and tiles are written, nothing is committed"
    BEFORE_REMEMBERING = "the checkpoint is committed, and not remembered beside the key"
    REMEMBERED = "the checkpoint is remembered, and nobody knows that it was"


@contextmanager
def dying(place: Place, moment: Moment) -> Iterator[ForkedProcess]:
    """Run a process that sequences once, and kills itself at this moment."""
    with _running(place, "dying", partial(_die, place, moment)) as process:
        yield process


def _die(place: Place, moment: Moment) -> None:
    asyncio.run(_sequenced_until(place, moment))


async def _sequenced_until(place: Place, moment: Moment) -> None:
    async with open_database(place.settings.data_dir, place.server) as database:
        unit = SqlUnitOfWork(database, system_clock)
        sequencer = await sequencer_of(place.settings, unit)
        key, memory = sequencer.key, sequencer.memory
        assert key is not None
        assert memory is not None
        if moment is Moment.BEFORE_SIGNING:
            sequencer = replace(sequencer, key=DyingKey(key.name, key.seed))
        else:
            fatal = DyingMemory(memory, writes=moment is Moment.REMEMBERED)
            sequencer = replace(sequencer, memory=fatal)
        await sequencer.run_once()


class DyingKey(SigningKey):
    """Kills the process instead of signing."""

    def sign(self, text: str, *, time_seconds: int = 0) -> bytes:
        return killed()


@dataclass(frozen=True)
class DyingMemory:
    """Kills the process instead of writing, or once it has written."""

    memory: CheckpointMemory
    writes: bool

    @property
    def place(self) -> str:
        return self.memory.place

    def read(self) -> bytes | None:
        return self.memory.read()

    def write(self, note: bytes) -> None:
        if self.writes:
            self.memory.write(note)
        killed()


def killed() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


def _rotate(place: Place) -> None:
    asyncio.run(_rotated(place))


async def _rotated(place: Place) -> None:
    async with open_app(place.settings) as app:
        while True:
            made = await rotate(app, TESTER, None)
            os.write(1, f"done {made.new.key_id.hex()}\n".encode())
