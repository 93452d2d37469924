"""Empty databases for tests: a folder for SQLite, a new database on the real PostgreSQL.

They are copies of one that was migrated once per test process: migrating an empty one takes a
sixth of a second, and thousands of tests open a new one.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from agentguard.adapters.sql import migrating
from agentguard.adapters.sql.migrating import migrate_postgresql
from agentguard.adapters.sql.postgresql import PostgreSQL
from tests.services import server

KINDS = ("sqlite", "postgresql")
_TEMPLATE = f"template_{secrets.token_hex(6)}"
"""The database of this process that others are copied from."""
migrate_file = migrating._migrate_file  # noqa: SLF001
"""What migrates a new SQLite file where none is copied."""


@asynccontextmanager
async def empty_database(kind: str) -> AsyncIterator[PostgreSQL | None]:
    """Yield the argument of `open_database`: None for SQLite, a new database for PostgreSQL.

    It has the newest tables, without rows, and is dropped afterwards.
    """
    if kind == "sqlite":
        yield None
        return
    await asyncio.to_thread(_make_template)
    async with _database(f"test_{secrets.token_hex(6)}", f"TEMPLATE {_TEMPLATE}") as made:
        yield made


@asynccontextmanager
async def blank_database(kind: str) -> AsyncIterator[PostgreSQL | None]:
    """The same, but without tables."""
    if kind == "sqlite":
        yield None
        return
    async with _database(f"test_{secrets.token_hex(6)}") as made:
        yield made


def copy_new_files() -> None:
    """From now on, let this process copy new SQLite databases from a template."""
    migrating._migrate_file = _copied_or_migrated  # noqa: SLF001


def drop_template() -> None:
    """Drop PostgreSQL's template, if this process has made one."""
    if _make_template.cache_info().currsize:
        url = server("DATABASE_URL")
        asyncio.run(_execute(url, f"DROP DATABASE IF EXISTS {_TEMPLATE} WITH (FORCE)"))


async def _copied_or_migrated(path: Path) -> None:
    if path.stat().st_size:
        await migrate_file(path)
    else:
        path.write_bytes(await asyncio.to_thread(_migrated_file))


@cache
def _migrated_file() -> bytes:
    with tempfile.TemporaryDirectory(prefix="agentguard-template-") as folder:
        path = Path(folder) / "template.db"
        asyncio.run(migrate_file(path))
        return path.read_bytes()


@cache
def _make_template() -> None:
    url = server("DATABASE_URL")
    asyncio.run(_execute(url, f"CREATE DATABASE {_TEMPLATE}"))
    asyncio.run(migrate_postgresql(PostgreSQL(_url_of(_TEMPLATE))))


@asynccontextmanager
async def _database(name: str, options: str = "") -> AsyncIterator[PostgreSQL]:
    await _execute(server("DATABASE_URL"), f"CREATE DATABASE {name} {options}")
    try:
        yield PostgreSQL(_url_of(name), pool_size=5, timeout_seconds=20)
    finally:
        await _execute(server("DATABASE_URL"), f"DROP DATABASE {name} WITH (FORCE)")


def _url_of(name: str) -> str:
    return urlunsplit(urlsplit(server("DATABASE_URL"))._replace(path=f"/{name}"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
