"""SQLite: the file, its mode, how transactions begin."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from agentguard.adapters.sql.errors import DatabaseUnavailableError, DatabaseUnreadableError
from agentguard.adapters.sql.sqlite_driver import connected

FILE_NAME = "agentguard.db"
WRITE = "agentguard_write"
"""Execution option of a connection that will write: its transactions begin with the write lock."""
ADVICE = (
    "Free disk space or stop the process that locks the file, or set AGENTGUARD_DATA_DIR to another"
    " folder."
)
_BUSY_SECONDS = 30
_UNAVAILABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
"""Primary result codes about the file and its disk (https://sqlite.org/rescode.html)."""
_PRIMARY = 0xFF
"""The bits of a result code that are its primary code."""


def sqlite_engine(path: Path) -> AsyncEngine:
    """Return an engine over the file, in WAL mode; several processes may have it open.

    Where file or folder cannot be written, it reads only.
    """
    reads_only = is_read_only(path)
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        async_creator=lambda: (
            connected(_reading_uri(path), uri=True) if reads_only else connected(path)
        ),
        pool_size=4,
        max_overflow=4,
        pool_timeout=_BUSY_SECONDS,
        hide_parameters=True,
    )
    _configure(engine.sync_engine, reads_only=reads_only)
    return engine


def is_read_only(path: Path) -> bool:
    """Return whether a database exists that this process can only read."""
    return path.is_file() and not (_is_writable(path) and _is_writable(path.parent))


def _is_writable(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _reading_uri(path: Path) -> str:
    """Return the address of a file that is only read.

    Without a write-ahead log nobody writes, and SQLite needs no lock, for which it would create a
    file; with one, it reads that too.
    """
    log = path.with_name(path.name + "-wal")
    open_elsewhere = log.exists() and log.stat().st_size > 0
    return f"file:{quote(str(path))}?{'mode=ro' if open_elsewhere else 'immutable=1'}"


def unavailability(error: BaseException) -> str | None:
    """Return why the file cannot be used now; None where the error has another cause."""
    if isinstance(error, PoolTimeoutError):
        return f"all its connections have been in use for {_BUSY_SECONDS} s"
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, sqlite3.Error):
        return None
    # Unset where the error did not come from SQLite itself.
    code: int | None = getattr(cause, "sqlite_errorcode", None)
    return str(cause) if code is not None and code & _PRIMARY in _UNAVAILABLE else None


def revision_of(path: Path) -> str | None:
    """Return the schema's revision, or None for no file or an empty one.

    Raise DatabaseUnreadableError, DatabaseUnavailableError.
    """
    if not path.exists():
        return None
    place, uri = (_reading_uri(path), True) if is_read_only(path) else (str(path), False)
    opened = closing(sqlite3.connect(place, timeout=_BUSY_SECONDS, uri=uri))
    with _readable(path), opened as connection:
        known = connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
        ).fetchone()
        row = (
            connection.execute("SELECT version_num FROM alembic_version").fetchone()
            if known
            else None
        )
    return str(row[0]) if row else None


@dataclass(frozen=True, slots=True)
class DatabaseFile:
    """The state of a database file."""

    revision: str | None
    mode: str
    """SQLite's journal mode; `wal` once AgentGuard has opened it."""
    log_bytes: int
    """Size of the write-ahead log."""
    faults: tuple[str, ...]
    """The findings of SQLite's quick check."""


def inspect_database(directory: Path) -> DatabaseFile | None:
    """Inspect the database in this folder without changing it; None where there is none.

    Raises as `revision_of`.
    """
    path = directory / FILE_NAME
    if not path.exists():
        return None
    revision = revision_of(path)
    with (
        _readable(path),
        closing(
            sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
        ) as connection,
    ):
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)")]
    log = path.with_name(path.name + "-wal")
    return DatabaseFile(
        revision,
        mode,
        log.stat().st_size if log.exists() else 0,
        tuple(fault for fault in found if fault != "ok"),
    )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        reason = unavailability(error)
        if reason is not None:
            raise DatabaseUnavailableError(path, reason, ADVICE) from error
        raise DatabaseUnreadableError(path, str(error)) from error


def _configure(engine: Engine, *, reads_only: bool) -> None:
    """Set each connection's mode, and begin transactions explicitly.

    The driver would begin them too late to take the lock in time.
    """
    event.listen(engine, "connect", _set_timeout if reads_only else _set_pragmas)
    event.listen(engine, "begin", _begin)


def _set_timeout(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
    cursor.close()


def _set_pragmas(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get(WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN DEFERRED")
