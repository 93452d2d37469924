"""Killed while it appends, sequences, signs or changes its key, the log loses and doubles nothing.

Every entry that was committed is in it once, indexes have no gaps, and tiles, checkpoints and keys
agree with the entries.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.entries import Entry
from agentguard.audit.recording import AuditTrail
from agentguard.audit.store import AuditStores
from agentguard.bootstrap.app import App
from agentguard.bootstrap.audit_keys import public_key
from agentguard.bootstrap.auditing import key_of
from agentguard.bootstrap.opening import open_app
from agentguard.kernel.clock import system_clock
from tests.acting import TESTER
from tests.audit_kill.writers import Moment, Place, dying, rotating, writing
from tests.databases import KINDS, empty_database

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("audit_kill")]


@pytest.fixture(params=KINDS)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with empty_database(request.param) as server:
        found = Place(tmp_path, None if server is None else server.url)
        async with open_app(found.settings):
            key_of(found.settings)  # made, as a server does at its start
        yield found


async def objects(place: Place) -> Counter[str]:
    """Sequence what waits, check the whole log, and return the objects of its entries."""
    async with open_app(place.settings):
        pass
    async with open_app(place.settings) as app:
        key = await public_key(app)
        size, found = await app.audit.check(key)
        assert (key is not None, found) == (True, ())
        return await _objects(app, size)


async def _objects(app: App, size: int) -> Counter[str]:
    stored = await app.audit.unit_of_work.read(lambda stores: stores.audit.range(0, size))
    assert [entry.index for entry in stored] == list(range(size))
    assert await app.audit.unit_of_work.read(lambda stores: stores.audit.waiting()) == 0
    return Counter(Entry.parse(entry.leaf).object_id or "" for entry in stored)


def until(place: Place, number: int) -> None:
    """Wait until the processes have told of so many committed entries."""
    deadline = time.monotonic() + 60
    while len(place.acknowledged()) < number:
        assert time.monotonic() < deadline, place.acknowledged()
        time.sleep(0.01)


@pytest.mark.parametrize("kills", [3, pytest.param(30, marks=pytest.mark.matrix)])
async def test_kills_while_it_appends_and_sequences(place: Place, kills: int):
    chance = random.Random(7)
    for turn in range(kills):
        before = len(place.acknowledged())
        with writing(place, f"a{turn}"), writing(place, f"b{turn}"):
            until(place, before + 5)
            await asyncio.sleep(chance.uniform(0, 0.3))
    kept = await objects(place)

    told = place.acknowledged()
    assert len(told) >= 5 * kills
    assert set(told) - kept.keys() == set()
    assert set(kept.values()) == {1}


@pytest.mark.parametrize("moment", Moment, ids=lambda moment: moment.name)
async def test_a_process_that_dies_at_a_moment_of_sequencing(place: Place, moment: Moment):
    with writing(place, "first", 3) as process:
        assert process.wait(60) == 0
    await objects(place)
    await append(place, "second")
    with dying(place, moment) as process:
        assert process.wait(60) == -signal.SIGKILL
    await append(place, "third")

    assert await objects(place) == Counter(["first-0", "first-1", "first-2", "second", "third"])


async def append(place: Place, name: str) -> None:
    """Commit an entry, and leave it pending."""

    async def work(stores: AuditStores) -> None:
        await AuditTrail().record(stores.audit, TESTER, "x.done", object_id=name)

    async with open_database(place.settings.data_dir, place.server) as database:
        await SqlUnitOfWork(database, system_clock).run(work)


@pytest.mark.parametrize("kills", [2, pytest.param(30, marks=pytest.mark.matrix)])
async def test_kills_while_the_key_is_replaced(place: Place, kills: int):
    chance = random.Random(9)
    for turn in range(kills):
        before = len(place.acknowledged())
        with rotating(place, f"r{turn}"):
            until(place, before + 1)
            await asyncio.sleep(chance.uniform(0, 0.2))
    kept = await objects(place)

    told = place.acknowledged()
    assert len(told) >= kills
    assert set(told) - kept.keys() == set()
    async with open_app(place.settings) as app:
        state = await app.audit.key_state()
    assert len(state.handovers) == sum(kept.values())


@pytest.mark.parametrize("each", [10, pytest.param(100, marks=pytest.mark.matrix)])
async def test_eight_processes_append_while_one_of_them_sequences(place: Place, each: int):
    with ExitStack() as stack:
        processes = [stack.enter_context(writing(place, f"w{number}", each)) for number in range(8)]
        assert [process.wait(300) for process in processes] == [0] * 8
    kept = await objects(place)

    assert sorted(kept) == sorted(f"w{number}-{n}" for number in range(8) for n in range(each))
    assert set(kept.values()) == {1}
