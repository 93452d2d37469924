"""PostgreSQL: connections, time limits, the meaning of its errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from agentguard.kernel.masking import endpoint_of

ADVICE = "Start it, or correct DATABASE_URL or POSTGRES_…."
_RECYCLE_SECONDS = 1800
_CONNECT_SECONDS = 10
_GRACE_SECONDS = 1
_RESTED_SECONDS = 1
_RETURNED = "agentguard_returned"
"""When the connection was given back to the pool, on the monotonic clock."""
_RETRIED = frozenset({"40001", "40P01"})
"""SQLSTATE: serialization_failure, deadlock_detected. The transaction can be run again."""
_UNAVAILABLE = ("08", "25P03", "28", "3D", "53", "55P03", "57", "58")
"""Classes of SQLSTATE about the server, not the statement: connection, authorisation, resources."""


@dataclass(frozen=True, slots=True)
class PostgreSQL:
    """A server's address and time limits."""

    url: str = field(repr=False)
    pool_size: int = 10
    timeout_seconds: float = 30

    @property
    def place(self) -> str:
        """Server and database, without user and password, wherever the URL has them."""
        return f"{endpoint_of(self.url)}{urlsplit(self.url).path}"

    def engine(self) -> AsyncEngine:
        """Return an engine with a bounded pool that replaces dead connections.

        A check that a connection is alive takes three round trips, as many as a transaction with
        one statement. So only one that has rested is checked. One whose end the driver has noticed
        is replaced without a check.
        """
        milliseconds = str(int(self.timeout_seconds * 1000))
        limits = {
            "statement_timeout": milliseconds,
            "lock_timeout": milliseconds,
            "idle_in_transaction_session_timeout": milliseconds,
        }
        engine = create_async_engine(
            "postgresql+asyncpg://",
            # The server's own limits come first; this one ends the wait for a silent server.
            async_creator=lambda: self._connect(
                command_timeout=self.timeout_seconds + _GRACE_SECONDS, **limits
            ),
            pool_size=self.pool_size,
            max_overflow=0,
            pool_timeout=self.timeout_seconds,
            pool_recycle=_RECYCLE_SECONDS,
            hide_parameters=True,  # they are telemetry
        )
        event.listen(engine.sync_engine, "checkin", _note_return)
        event.listen(engine.sync_engine, "checkout", _check_alive)
        return engine

    def unhurried_engine(self) -> AsyncEngine:
        """Return an engine without time limits, for migrations and copies."""
        return create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            poolclass=NullPool,
            hide_parameters=True,
        )

    async def _connect(self, *, command_timeout: float | None = None, **limits: str) -> Any:
        """Connect; the driver parses the URL, with sslmode and all else that libpq knows."""
        told = {"application_name": "agentguard", **limits}
        return await asyncpg.connect(
            self.url,
            timeout=_CONNECT_SECONDS,
            command_timeout=command_timeout,
            server_settings=told,
        )


def _note_return(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info[_RETURNED] = monotonic()


def _check_alive(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
    """Raise what makes the pool replace all its connections, if this one is not alive.

    A new connection has not been returned yet, and is not checked.
    """
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError
    if monotonic() - record.info.get(_RETURNED, inf) > _RESTED_SECONDS:
        try:
            connection.ping()
        except connection.dbapi.Error as error:
            raise InvalidatePoolError from error


def may_be_run_again(error: DBAPIError) -> bool:
    """Return whether the transaction failed only because of concurrent ones."""
    return _state(error.orig) in _RETRIED


def unavailability(error: BaseException) -> str | None:
    """Return why the server cannot be used; None where the error has another cause."""
    if isinstance(error, PoolTimeoutError):
        return "all connections are in use; raise AGENTGUARD_DATABASE_POOL_SIZE if that lasts"
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, TimeoutError):
        return "it did not answer in time"
    if isinstance(cause, OSError):
        return cause.strerror or str(cause)
    told = _state(cause)
    if told is not None:
        return (
            str(cause).partition(">: ")[2] or str(cause) if told.startswith(_UNAVAILABLE) else None
        )
    lost = is_lost(error) or isinstance(cause, asyncpg.InterfaceError)
    return "the connection was lost" if lost else None


def is_lost(error: BaseException | None) -> bool:
    """Return whether the error ended the connection."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _state(cause: object) -> str | None:
    state = getattr(cause, "sqlstate", None)
    return state if isinstance(state, str) else None
