"""The database, a SQLite file in the data directory or PostgreSQL, and its transactions."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agentguard.adapters.sql import postgresql, sqlite
from agentguard.adapters.sql.errors import DatabaseUnavailableError
from agentguard.adapters.sql.migrating import migrate_postgresql, migrate_sqlite
from agentguard.adapters.sql.postgresql import PostgreSQL, is_lost, may_be_run_again
from agentguard.adapters.sql.sqlite import FILE_NAME, WRITE, sqlite_engine

T = TypeVar("T")

_MOST_TRIES = 8
_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_WAIT_SECONDS = 10
"""For work that callers left behind, when a database is closed."""
_READ = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_WRITE = {"isolation_level": "SERIALIZABLE"}


@dataclass(frozen=True, slots=True)
class Database:
    """An open database; several processes may have it open at one time.

    Every method raises DatabaseUnavailableError while PostgreSQL is unreachable, the file locked or
    its disk full, and works again afterwards.
    """

    engine: AsyncEngine
    place: str
    """Its address, for people, without a password."""

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open a read transaction: one consistent snapshot."""
        async with self._transaction(_READ if self._is_postgresql else {}) as connection:
            yield connection

    async def write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `work` in one serialisable transaction; durable once this returns.

        After a conflict with concurrent transactions, or where the connection turns out to be lost,
        it is rolled back and `work` runs again, so it must do nothing but talk to the database.
        Cancelled, it may have been committed or not.
        """
        for attempt in range(_MOST_TRIES - 1):
            try:
                return await self._write_once(work)
            except DBAPIError as error:
                if not may_be_run_again(error):
                    raise
            jitter = random.uniform(0.5, 1.5)  # noqa: S311 - spreads writers in time
            await asyncio.sleep(_FIRST_PAUSE_SECONDS * 2**attempt * jitter)
        try:
            return await self._write_once(work)
        except DBAPIError as error:
            if may_be_run_again(error):
                raise DatabaseUnavailableError(
                    self.place, "too many concurrent writes conflict", "Try again."
                ) from error
            raise

    async def ping(self) -> None:
        """Run a query that every migrated database answers."""
        if not self._is_postgresql:
            # An open file can be read even after it was deleted.
            await asyncio.to_thread(Path(self.place).stat)
        async with self.reading() as connection:
            await connection.execute(text("SELECT version_num FROM alembic_version"))

    async def _write_once(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        if self._is_postgresql:
            return await self._write_again_if_lost(work)
        # SQLite's thread cannot be cancelled: abandoned, it would keep the only write lock.
        return await _to_the_end(self._write(work))

    async def _write_again_if_lost(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Write; once more where a pooled connection had died unnoticed.

        Not where it is lost at the commit, which may have taken place.
        """
        worked = False

        async def noted(connection: AsyncConnection) -> T:
            nonlocal worked
            result = await work(connection)
            worked = True
            return result

        try:
            return await self._write(noted)
        except DatabaseUnavailableError as error:
            if worked or not is_lost(error.__cause__):
                raise
        return await self._write(work)

    async def _write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async with self._transaction(
            _WRITE if self._is_postgresql else {WRITE: True}
        ) as connection:
            return await work(connection)

    @property
    def _is_postgresql(self) -> bool:
        return self.engine.dialect.name == "postgresql"

    @asynccontextmanager
    async def _transaction(self, options: dict[str, Any]) -> AsyncIterator[AsyncConnection]:
        connection = await self._connected()
        try:
            await connection.execution_options(**options)
            async with connection.begin():
                yield connection
        except (DBAPIError, TimeoutError) as error:
            await self._drop_dead(connection, error)
            self._raise_if_unavailable(error)
            raise
        finally:
            await asyncio.shield(_attended(connection.close()))

    async def _connected(self) -> AsyncConnection:
        connection = self.engine.connect()
        starting = _attended(connection.start())
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            _attended(_close_once(starting, connection))
            raise
        except (DBAPIError, PoolTimeoutError, OSError) as error:
            await self._drop_dead(connection, error)
            self._raise_if_unavailable(error)
            raise

    async def _drop_dead(self, connection: AsyncConnection, error: Exception) -> None:
        """After a silent timeout drop this connection, and the pooled ones, which are as old."""
        if self._is_postgresql and isinstance(error, TimeoutError):
            if connection.sync_connection is not None:
                await connection.invalidate()
            await self.engine.dispose()

    def _raise_if_unavailable(self, error: Exception) -> None:
        """Raise DatabaseUnavailableError if the error means that."""
        dialect = postgresql if self._is_postgresql else sqlite
        reason = dialect.unavailability(error)
        if reason is not None:
            raise DatabaseUnavailableError(self.place, reason, dialect.ADVICE) from error


@asynccontextmanager
async def open_database(
    directory: Path, server: PostgreSQL | None = None, *, hurried: bool = True
) -> AsyncIterator[Database]:
    """Open PostgreSQL, or the SQLite file in this folder; create or migrate the tables.

    With `hurried=False` a statement may take any time. Raises DatabaseTooNewError if it is ahead of
    this version, DatabaseUnreadableError, DatabaseUnavailableError.
    """
    if server is None:
        path = directory / FILE_NAME
        await asyncio.to_thread(migrate_sqlite, path)
        database = Database(sqlite_engine(path), str(path))
    else:
        await migrate_postgresql(server)
        database = Database(server.engine() if hurried else server.unhurried_engine(), server.place)
    try:
        yield database
    finally:
        await _dispose(database.engine)


@asynccontextmanager
async def inspected_database(
    directory: Path, server: PostgreSQL | None = None
) -> AsyncIterator[Database]:
    """Open a database that exists and is migrated, to read it; nothing is created or migrated."""
    path = directory / FILE_NAME
    database = (
        Database(sqlite_engine(path), str(path))
        if server is None
        else Database(server.engine(), server.place)
    )
    try:
        yield database
    finally:
        await _dispose(database.engine)


_unattended: set[asyncio.Task[Any]] = set()
"""Work that goes on after its caller was cancelled: drivers and servers cannot be cancelled."""


def _attended(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Return the work as a task that is kept until it is done."""
    task = asyncio.ensure_future(work)
    _unattended.add(task)
    task.add_done_callback(_left)
    return task


async def _dispose(engine: AsyncEngine) -> None:
    """Close the pool, once connections of cancelled callers are closed, or after a while."""
    loop = asyncio.get_running_loop()
    if left := [task for task in _unattended if task.get_loop() is loop]:
        await asyncio.wait(left, timeout=_LONGEST_WAIT_SECONDS)
    await engine.dispose()


def _left(task: asyncio.Task[Any]) -> None:
    """Forget the task, and its error where nobody waited for it."""
    _unattended.discard(task)
    if not task.cancelled():
        task.exception()


async def _close_once(started: asyncio.Task[AsyncConnection], connection: AsyncConnection) -> None:
    await asyncio.wait([started])
    if connection.sync_connection is not None:
        await connection.close()


async def _to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Wait for the work even when cancelled, and raise the cancellation afterwards."""
    task = _attended(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
