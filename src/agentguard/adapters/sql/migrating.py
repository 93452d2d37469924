"""Migrates a database to the newest schema: one process at a time, while the others wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from filelock import FileLock
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from agentguard.adapters.sql import postgresql, sqlite
from agentguard.adapters.sql.errors import DatabaseTooNewError, DatabaseUnavailableError
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.adapters.sql.sqlite import WRITE, revision_of

HEAD = "0017"
"""The newest migration; a test compares it with the migrations folder."""

_LOCK_SECONDS = 60
_FILE_MODE = 0o600
_ADVISORY_LOCK = 0x41474D49
"""PostgreSQL's lock: any number, the same in all versions."""


def migrate_sqlite(path: Path) -> str | None:
    """Migrate the file to HEAD; return the revision it had.

    Raises DatabaseUnreadableError, DatabaseUnavailableError.
    """
    found = revision_of(path)
    if found == HEAD:
        return found
    lock = FileLock(path.with_suffix(".migrate.lock"), timeout=_LOCK_SECONDS, mode=_FILE_MODE)
    with lock:
        path.touch(_FILE_MODE)  # SQLite gives its other files the same mode
        found = revision_of(path)
        if found != HEAD:
            asyncio.run(_migrate_file(path))
        return found


async def migrate_postgresql(server: PostgreSQL) -> str | None:
    """Migrate the server's database to HEAD; return the revision it had.

    Raises DatabaseUnavailableError.
    """
    try:
        return await _migrate(server.unhurried_engine(), server.place)
    except (DBAPIError, OSError) as error:
        reason = postgresql.unavailability(error)
        if reason is None:
            raise
        raise DatabaseUnavailableError(server.place, reason, postgresql.ADVICE) from error


async def _migrate_file(path: Path) -> None:
    try:
        await _migrate(sqlite.sqlite_engine(path), path)
    except DBAPIError as error:
        reason = sqlite.unavailability(error)
        if reason is None:
            raise
        raise DatabaseUnavailableError(path, reason, sqlite.ADVICE) from error


async def _migrate(engine: AsyncEngine, place: object) -> str | None:
    try:
        async with engine.connect() as connection:
            await connection.execution_options(**{WRITE: True})
            async with connection.begin():
                return await connection.run_sync(_upgrade, place)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, place: object) -> str | None:
    """Run the missing migrations in the connection's transaction: all or nothing."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
    found = _revision(connection)
    if found != HEAD:
        config = Config()
        config.set_main_option("script_location", "agentguard.adapters.sql:migrations")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise DatabaseTooNewError(place, found or "?", HEAD) from error
    return found


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return str(row[0]) if row else None
