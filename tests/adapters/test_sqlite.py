"""What SQLite alone does: a file that another process holds, a disk that is full."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import delete, event, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agentguard.adapters.sql import sqlite
from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.errors import DatabaseUnavailableError
from agentguard.adapters.sql.migrating import migrate_sqlite
from agentguard.adapters.sql.sqlite_driver import Connection
from agentguard.adapters.sql.tables import days_seen

pytestmark = pytest.mark.anyio


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.1)


@pytest.mark.usefixtures("impatient")
async def test_a_file_that_another_process_holds_is_said_to_be_unusable_until_it_is_free(
    tmp_path: Path,
):
    async with open_database(tmp_path) as database:
        with closing(sqlite3.connect(tmp_path / sqlite.FILE_NAME, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(DatabaseUnavailableError, match=r"locked.*AGENTGUARD_DATA_DIR"):
                await database.write(lambda c: c.execute(insert(days_seen).values(day=1)))
            other.execute("ROLLBACK")

        await database.write(lambda c: c.execute(insert(days_seen).values(day=2)))
        async with database.reading() as connection:
            assert list((await connection.execute(select(days_seen.c.day))).scalars()) == [2]


@pytest.mark.usefixtures("impatient")
def test_a_file_that_another_process_holds_is_not_taken_for_a_damaged_one(tmp_path: Path):
    path = tmp_path / sqlite.FILE_NAME
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE something (x)")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseUnavailableError, match="locked"):
            sqlite.revision_of(path)
        other.execute("ROLLBACK")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailableError, match="locked"):
            migrate_sqlite(path)


async def test_a_full_disk_is_said_to_be_one_and_costs_only_what_did_not_fit(tmp_path: Path):
    def fill(connection, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # no more than there are

    async with open_database(tmp_path) as database:
        event.listen(database.engine.sync_engine, "connect", fill)
        with pytest.raises(DatabaseUnavailableError, match="full"):
            await database.write(
                lambda c: c.execute(insert(days_seen), [{"day": n} for n in range(10_000)])
            )

        async with database.reading() as connection:
            assert list((await connection.execute(select(days_seen.c.day))).scalars()) == []


async def test_more_askers_than_connections_wait_but_not_for_ever(tmp_path: Path, impatient: None):
    async with open_database(tmp_path) as database:
        held = [database.reading() for _ in range(8)]
        for each in held:
            await each.__aenter__()
        with pytest.raises(DatabaseUnavailableError, match="in use"):
            await database.ping()
        for each in held:
            await each.__aexit__(None, None, None)

        await database.ping()


MANY = 2_500
"""Rows, more than are read together with a statement."""


@pytest.fixture
async def many_days(tmp_path: Path):
    async with open_database(tmp_path) as database:
        await database.write(
            lambda c: c.execute(insert(days_seen), [{"day": n} for n in range(MANY)])
        )
        yield database


async def test_all_rows_of_a_long_result_are_read_in_order(many_days):
    wanted = select(days_seen.c.day).order_by(days_seen.c.day)
    async with many_days.reading() as connection:
        at_once = (await connection.execute(wanted)).scalars().all()
        async with connection.stream(wanted) as rows:
            streamed = [row.day async for row in rows]
        async with connection.stream(wanted) as rows:
            first = (await rows.fetchone()).day
            some = [row.day for row in await rows.fetchmany(1_200)]
            rest = [row.day for row in await rows.fetchall()]

    assert at_once == streamed == [first, *some, *rest] == list(range(MANY))
    assert len(some) == 1_200


async def test_a_result_that_was_not_read_to_its_end_holds_nothing_back(many_days):
    async with (
        many_days.reading() as connection,
        connection.stream(select(days_seen.c.day)) as rows,
    ):
        await rows.fetchone()
    done = await many_days.write(lambda c: c.execute(delete(days_seen)))

    assert done.rowcount == MANY


async def test_a_write_that_returns_rows_counts_them(many_days):
    async def removed(connection):
        gone = delete(days_seen).where(days_seen.c.day >= MANY - 3).returning(days_seen.c.day)
        found = await connection.execute(gone)
        return found.rowcount, sorted(found.scalars())

    assert await many_days.write(removed) == (3, [MANY - 3, MANY - 2, MANY - 1])


async def test_a_statement_takes_one_visit_to_the_thread(many_days, monkeypatch):
    visits = []

    async def counted(self, work):
        visits.append(work)
        return await visit(self, work)

    visit = Connection.visit
    monkeypatch.setattr(Connection, "visit", counted)
    async with many_days.reading() as connection:
        before = len(visits)
        (await connection.execute(select(days_seen.c.day).limit(999))).all()
        after = len(visits)

    assert after - before == 1


async def test_connections_of_cancelled_callers_are_closed_before_the_database_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    order, closing_began = list[str](), asyncio.Event()
    close, dispose = AsyncConnection.close, AsyncEngine.dispose

    async def slow_close(self: AsyncConnection) -> None:
        closing_began.set()
        await asyncio.sleep(0.05)
        await close(self)
        order.append("connection")

    async def noted_dispose(self: AsyncEngine) -> None:
        order.append("database")
        await dispose(self)

    monkeypatch.setattr(AsyncConnection, "close", slow_close)
    monkeypatch.setattr(AsyncEngine, "dispose", noted_dispose)
    async with open_database(tmp_path) as database:

        async def read() -> None:
            async with database.reading():
                pass

        reading = asyncio.create_task(read())
        await closing_began.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    assert order[0] == "connection"
