"""Opening the SQLite file: its mode, its migrations, its transactions."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from filelock import FileLock
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from agentguard.kernel.errors import AgentGuardError

HEAD = "0003"
"""The newest migration; a test holds it to the migrations folder."""

FILE_NAME = "agentguard.db"
_BUSY_SECONDS = 30
_MIGRATION_LOCK_SECONDS = 60
_WRITE = {"agentguard_write": True}


class DatabaseTooNewError(AgentGuardError):
    """The file was written by a later version."""

    code = "database-too-new"

    def __init__(self, path: Path, revision: str) -> None:
        super().__init__(f"{path} was written by a newer AgentGuard (schema {revision!r}, this one knows {HEAD!r}). Upgrade AgentGuard.")


class DatabaseUnreadableError(AgentGuardError):
    """The file is damaged, or no database at all."""

    code = "database-unreadable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be read as a database: {reason}. Restore it from a backup, or move it away to start anew.")


@dataclass(frozen=True, slots=True)
class Database:
    """An open database file; several processes may have it open at one time."""

    path: Path
    engine: AsyncEngine

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """One consistent view of the data."""
        async with self.engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, the only writer from its first statement on; durable once left without an error."""
        async with self.engine.connect() as connection:
            await connection.execution_options(**_WRITE)
            async with connection.begin():
                yield connection


@asynccontextmanager
async def open_database(directory: Path) -> AsyncIterator[Database]:
    """Open, and create or migrate, the database in this folder; raise DatabaseTooNewError if it is ahead of this version."""
    path = directory / FILE_NAME
    await asyncio.to_thread(migrate, path)
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=4, max_overflow=4)
    _configure(engine.sync_engine)
    try:
        yield Database(path, engine)
    finally:
        await engine.dispose()


def migrate(path: Path) -> None:
    """Bring the file to HEAD; one process at a time, the others wait and then find it done."""
    if revision_of(path) == HEAD:
        return
    with FileLock(path.with_suffix(".migrate.lock"), timeout=_MIGRATION_LOCK_SECONDS):
        if revision_of(path) != HEAD:
            _upgrade(path)


def revision_of(path: Path) -> str | None:
    """Return the schema's revision, or None for no file or an empty one; raise DatabaseUnreadableError if it is no database."""
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection:
            known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if known else None
    except sqlite3.DatabaseError as error:
        raise DatabaseUnreadableError(path, str(error)) from error
    return str(row[0]) if row else None


@dataclass(frozen=True, slots=True)
class DatabaseFile:
    """What stands in a database file."""

    revision: str | None
    mode: str
    """SQLite's journal mode; `wal` once AgentGuard has opened it."""
    log_bytes: int
    """Of the write-ahead log beside it."""
    faults: tuple[str, ...]
    """What SQLite's quick check found."""


def inspect_database(directory: Path) -> DatabaseFile | None:
    """Look at the database in this folder without changing it, or return None where there is none; raise DatabaseUnreadableError."""
    path = directory / FILE_NAME
    if not path.exists():
        return None
    revision = revision_of(path)
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as connection:
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
            found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)")]
    except sqlite3.DatabaseError as error:
        raise DatabaseUnreadableError(path, str(error)) from error
    log = path.with_name(path.name + "-wal")
    return DatabaseFile(revision, mode, log.stat().st_size if log.exists() else 0, tuple(fault for fault in found if fault != "ok"))


def _upgrade(path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", "agentguard.adapters.sql:migrations")
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    _configure(engine)
    try:
        with engine.execution_options(**_WRITE).connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    except CommandError as error:
        raise DatabaseTooNewError(path, revision_of(path) or "?") from error
    finally:
        engine.dispose()


def _configure(engine: Engine) -> None:
    """Set each connection's mode, and say when transactions begin (the driver's own guess comes too late for a clean lock)."""
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)


def _set_pragmas(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("agentguard_write", False)
    connection.execute(text("BEGIN IMMEDIATE" if write else "BEGIN DEFERRED"))
