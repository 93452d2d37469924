"""What SQLite alone does: a file that another process holds, a disk that is full."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event, insert, select

from agentguard.adapters.sql import sqlite
from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.errors import DatabaseUnavailableError
from agentguard.adapters.sql.migrating import migrate_sqlite
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
