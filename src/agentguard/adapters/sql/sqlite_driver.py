"""SQLite's driver with fewer switches to its thread: the first rows come with the statement.

aiosqlite makes, executes, reads and closes a cursor in four visits to the connection's thread. Each
costs as much as a small statement.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import aiosqlite

T = TypeVar("T")

_FIRST_ROWS = 1000
"""That are read together with the statement; the others when they are asked for."""
_CHUNK_ROWS = 64


class Connection(aiosqlite.Connection):
    """A connection whose cursors need one visit to its thread for a statement with few rows."""

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, _CHUNK_ROWS)
        self._thread.daemon = True  # as SQLAlchemy sets it: it must not keep the process alive

    # The driver's method returns an awaitable, which SQLAlchemy does not need.
    def cursor(self) -> Cursor:  # type: ignore[override]
        return Cursor(self)

    async def visit(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in the connection's thread."""
        # The driver's method has no types.
        done: T = await self._execute(work, self._conn)  # type: ignore[no-untyped-call]
        return done


class Cursor:
    """One statement's result: what SQLAlchemy uses of the driver's cursor."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._open: sqlite3.Cursor | None = None
        """The driver's cursor, while it has more rows."""
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Cursor:
        return await self._run(lambda connection: connection.execute(statement, parameters))

    async def executemany(self, statement: str, parameters: Iterable[Any]) -> Cursor:
        return await self._run(lambda connection: connection.executemany(statement, parameters))

    async def fetchall(self) -> list[Any]:
        return self._taken(len(self._rows)) + await self._more(None)

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        wanted = size or self.arraysize
        found = self._taken(wanted)
        return found if len(found) == wanted else found + await self._more(wanted - len(found))

    async def fetchone(self) -> Any:
        return next(iter(await self.fetchmany(1)), None)

    async def close(self) -> None:
        self._rows.clear()
        if self._open is not None:
            ended, self._open = self._open, None
            await self._connection.visit(lambda _: ended.close())

    async def _run(self, start: Callable[[sqlite3.Connection], sqlite3.Cursor]) -> Cursor:
        cursor, rows = await self._connection.visit(partial(_started, start))
        self._rows = rows
        self._open = cursor if len(rows) == _FIRST_ROWS else None
        self.description, self.rowcount = cursor.description, cursor.rowcount
        self.lastrowid = cursor.lastrowid
        return self

    def _taken(self, most: int) -> list[Any]:
        taken, self._rows = self._rows[:most], self._rows[most:]
        return taken

    async def _more(self, most: int | None) -> list[Any]:
        """Return rows that were not read with the statement; None: all."""
        cursor = self._open
        if cursor is None:
            return []
        return await self._connection.visit(
            lambda _: cursor.fetchall() if most is None else cursor.fetchmany(most)
        )


def _started(
    start: Callable[[sqlite3.Connection], sqlite3.Cursor], connection: sqlite3.Connection
) -> tuple[sqlite3.Cursor, list[Any]]:
    cursor = start(connection)
    try:
        rows = cursor.fetchmany(_FIRST_ROWS) if cursor.description else []
    except BaseException:
        cursor.close()
        raise
    if len(rows) < _FIRST_ROWS:
        cursor.close()
    return cursor, rows


async def connected(place: str | Path, *, uri: bool = False) -> Connection:
    """Connect to a file, or to a URI of one."""
    connect = partial(sqlite3.connect, str(place), uri=uri, check_same_thread=False)
    connection = Connection(connect)
    await connection
    return connection
