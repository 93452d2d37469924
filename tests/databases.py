"""Empty databases for tests: a folder for SQLite, a new database on the real PostgreSQL."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from agentguard.adapters.sql.postgresql import PostgreSQL
from tests.services import server

KINDS = ("sqlite", "postgresql")


@asynccontextmanager
async def empty_database(kind: str) -> AsyncIterator[PostgreSQL | None]:
    """Yield the argument of `open_database`: None for SQLite, a new database for PostgreSQL.

    The new database is dropped afterwards.
    """
    if kind == "sqlite":
        yield None
        return
    url, name = server("DATABASE_URL"), f"test_{secrets.token_hex(6)}"
    await _execute(url, f"CREATE DATABASE {name}")
    try:
        yield PostgreSQL(
            urlunsplit(urlsplit(url)._replace(path=f"/{name}")), pool_size=5, timeout_seconds=20
        )
    finally:
        await _execute(url, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
