"""What becomes of work while PostgreSQL is away, slow or does not let us in."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import asyncpg
import pytest
from sqlalchemy import insert, select, text

from agentguard.adapters.sql import postgresql as postgresql_adapter
from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.errors import DatabaseUnavailableError
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.adapters.sql.tables import days_seen
from scripts.services.postgresql import postgresql
from scripts.services.process import Server, free_port
from tests.black_hole import proxy_before
from tests.databases import empty_database
from tests.services import server

pytestmark = pytest.mark.anyio


def end_others(url: str) -> None:
    """End every other connection to the database, before this event loop can notice it."""

    async def end() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await connection.close()

    thread = Thread(target=asyncio.run, args=(end(),))
    thread.start()
    thread.join()


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that may be killed, in a folder that its user can enter."""
    server("DATABASE_URL")  # where there is none at all, there are no packages to start one from
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        data = Path(folder, "postgresql")
        data.mkdir()
        made = postgresql(data)
        made.start()
        yield made
        made.stop()


async def test_a_killed_server_is_said_to_be_away_and_is_used_again_when_it_is_back(
    own_server: Server, tmp_path: Path
):
    url = own_server.settings["AGENTGUARD_DATABASE_URL"]
    async with open_database(tmp_path, PostgreSQL(url, pool_size=2, timeout_seconds=5)) as database:
        await database.write(lambda c: c.execute(insert(days_seen).values(day=1)))
        own_server.kill()
        for _ in range(3):
            with pytest.raises(DatabaseUnavailableError, match="Start it"):
                await database.ping()
        with pytest.raises(DatabaseUnavailableError):
            await database.write(lambda c: c.execute(insert(days_seen).values(day=2)))
        own_server.start()

        await database.write(lambda c: c.execute(insert(days_seen).values(day=3)))
        async with database.reading() as connection:
            assert list(
                (
                    await connection.execute(select(days_seen.c.day).order_by(days_seen.c.day))
                ).scalars()
            ) == [1, 3]


async def test_a_server_killed_in_the_middle_of_a_transaction_keeps_nothing_of_it(
    own_server: Server, tmp_path: Path
):
    async def and_then_it_died(connection):
        await connection.execute(insert(days_seen).values(day=1))
        own_server.kill()
        await connection.execute(insert(days_seen).values(day=2))

    async with open_database(
        tmp_path, PostgreSQL(own_server.settings["AGENTGUARD_DATABASE_URL"], timeout_seconds=5)
    ) as database:
        with pytest.raises(DatabaseUnavailableError):
            await database.write(and_then_it_died)
        own_server.start()

        async with database.reading() as connection:
            assert list((await connection.execute(select(days_seen.c.day))).scalars()) == []


async def test_nobody_there_or_no_such_database_is_told_in_a_sentence_without_the_password(
    tmp_path: Path,
):
    there = server("DATABASE_URL").rsplit("/", 1)[0].replace("agentguard@", "agentguard:s3cret@")
    for url, reason in {
        f"postgresql://u:s3cret@127.0.0.1:{free_port()}/x": "Connect call failed|refused",
        f"{there}/none_such": "does not exist",
        f"{there.replace('agentguard:', 'stranger:')}/postgres": "does not exist",
        "postgresql://u:s3cret@none.invalid/x": "not known|resolution|resolve",
    }.items():
        with pytest.raises(DatabaseUnavailableError, match=reason) as told:
            async with open_database(tmp_path, PostgreSQL(url)):
                pass
        assert "s3cret" not in str(told.value)
        assert "DATABASE_URL" in str(told.value)


async def test_a_statement_that_takes_too_long_is_ended(tmp_path: Path):
    async with (
        empty_database("postgresql") as found,
        open_database(tmp_path, PostgreSQL(found.url, timeout_seconds=0.2)) as database,
    ):
        with pytest.raises(DatabaseUnavailableError, match="timeout"):
            await database.write(lambda c: c.execute(text("SELECT pg_sleep(60)")))

        await database.ping()


async def test_more_askers_than_connections_wait_but_not_for_ever(tmp_path: Path):
    async with (
        empty_database("postgresql") as found,
        open_database(
            tmp_path, PostgreSQL(found.url, pool_size=1, timeout_seconds=0.3)
        ) as database,
        database.reading(),
    ):
        with pytest.raises(DatabaseUnavailableError, match="POOL_SIZE"):
            await database.ping()


async def test_connections_that_died_without_a_sign_are_given_up(tmp_path: Path):
    async with (
        empty_database("postgresql") as found,
        proxy_before(found.url) as (url, proxy),
        open_database(tmp_path, PostgreSQL(url, pool_size=3, timeout_seconds=1)) as database,
    ):
        await asyncio.gather(*[database.ping() for _ in range(3)])
        proxy.swallow()
        with pytest.raises(DatabaseUnavailableError, match="in time"):
            await database.ping()

        await asyncio.gather(*[database.ping() for _ in range(3)])


async def test_a_connection_that_died_unnoticed_costs_no_write(tmp_path: Path):
    async with (
        empty_database("postgresql") as found,
        open_database(tmp_path, PostgreSQL(found.url, pool_size=2)) as database,
    ):
        await database.ping()
        end_others(found.url)
        await database.write(lambda c: c.execute(insert(days_seen).values(day=1)))

        async with database.reading() as connection:
            assert list((await connection.execute(select(days_seen.c.day))).scalars()) == [1]


async def test_what_is_lost_at_the_commit_is_not_written_again(tmp_path: Path):
    runs = []

    async def loses_its_connection(connection):
        runs.append(1)
        await connection.execute(insert(days_seen).values(day=len(runs)))
        end_others(found.url)

    async with (
        empty_database("postgresql") as found,
        open_database(tmp_path, PostgreSQL(found.url, pool_size=2)) as database,
    ):
        with pytest.raises(DatabaseUnavailableError):
            await database.write(loses_its_connection)

        assert runs == [1]


@pytest.mark.parametrize("rested", [False, True])
async def test_a_connection_that_is_closed_or_rested_is_checked_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rested: bool
):
    monkeypatch.setattr(postgresql_adapter, "_RESTED_SECONDS", -1 if rested else 3600)
    async with (
        empty_database("postgresql") as found,
        open_database(tmp_path, PostgreSQL(found.url, pool_size=2)) as database,
    ):
        await asyncio.gather(*[database.ping() for _ in range(2)])
        end_others(found.url)
        if not rested:
            await asyncio.sleep(0.1)  # the driver sees both connections end

        for _ in range(2):
            await database.ping()


async def test_a_connection_in_use_is_not_checked_again(tmp_path: Path):
    async with (
        empty_database("postgresql") as found,
        open_database(tmp_path, PostgreSQL(found.url, pool_size=1)) as database,
    ):
        sent: list[str] = []
        async with database.engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            driver.add_query_logger(lambda record: sent.append(record.query.split()[0]))
        await database.ping()

    assert sent == ["BEGIN", "COMMIT;"]  # statements that are prepared are not logged


@pytest.mark.parametrize("query", ["password=s3cret", "user=u&password=s3cret"])
def test_a_password_is_not_told_wherever_it_stands(query: str):
    assert (
        PostgreSQL(f"postgresql://u:s3cret@db.example:5432/name?{query}").place
        == "postgresql://db.example:5432/name"
    )


async def test_cancelled_work_gives_its_connection_back(tmp_path: Path):
    async with (
        empty_database("postgresql") as found,
        open_database(tmp_path, PostgreSQL(found.url, pool_size=1)) as database,
    ):
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await database.write(lambda c: c.execute(text("SELECT pg_sleep(60)")))

        await database.ping()
