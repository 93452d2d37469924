"""PostgreSQL: its connections, its limits in time, what its errors mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from agentguard.kernel.masking import endpoint_of

ADVICE = "Start it, or correct DATABASE_URL or POSTGRES_…."
_RECYCLE_SECONDS = 1800
_CONNECT_SECONDS = 10
_GRACE_SECONDS = 1
_RETRIED = frozenset({"40001", "40P01"})
"""SQLSTATE: serialization_failure, deadlock_detected. The transaction did nothing and may be run
again.
"""
_AWAY = ("08", "25P03", "28", "3D", "53", "55P03", "57", "58")
"""Classes of SQLSTATE that speak of the server, not of the statement: no connection, no
authorisation, no such database, no resources, …
"""


@dataclass(frozen=True, slots=True)
class PostgreSQL:
    """Where the server is, and how long it may take."""

    url: str = field(repr=False)
    pool_size: int = 10
    timeout_seconds: float = 30

    @property
    def place(self) -> str:
        """Server and database; nobody's name and no password, wherever in the URL they stand."""
        return f"{endpoint_of(self.url)}{urlsplit(self.url).path}"

    def engine(self) -> AsyncEngine:
        """Return an engine with a bounded pool.

        A connection that died in it is noticed and replaced.
        """
        milliseconds = str(int(self.timeout_seconds * 1000))
        limits = {
            "statement_timeout": milliseconds,
            "lock_timeout": milliseconds,
            "idle_in_transaction_session_timeout": milliseconds,
        }
        return create_async_engine(
            "postgresql+asyncpg://",
            # The server's own limits come first; this one ends the wait for a server that is not
            # heard of any more.
            async_creator=lambda: self._connect(
                command_timeout=self.timeout_seconds + _GRACE_SECONDS, **limits
            ),
            pool_size=self.pool_size,
            max_overflow=0,
            pool_timeout=self.timeout_seconds,
            pool_pre_ping=True,
            pool_recycle=_RECYCLE_SECONDS,
            hide_parameters=True,  # they are telemetry
        )

    def unhurried_engine(self) -> AsyncEngine:
        """Return an engine whose statements may take any time: for migrations and copies."""
        return create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            poolclass=NullPool,
            hide_parameters=True,
        )

    async def _connect(self, *, command_timeout: float | None = None, **limits: str) -> Any:
        """Connect with the driver's own reading of the URL, which knows sslmode and all that libpq
        knows.
        """
        told = {"application_name": "agentguard", **limits}
        return await asyncpg.connect(
            self.url,
            timeout=_CONNECT_SECONDS,
            command_timeout=command_timeout,
            server_settings=told,
        )


def may_be_run_again(error: DBAPIError) -> bool:
    """Whether the transaction failed only because of others beside it."""
    return _state(error.orig) in _RETRIED


def away(error: BaseException) -> str | None:
    """Return in words why the server cannot be used, or None where the error speaks of something
    else.
    """
    if isinstance(error, PoolTimeoutError):
        return "all connections are in use; raise AGENTGUARD_DATABASE_POOL_SIZE if that lasts"
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, TimeoutError):
        return "it did not answer in time"
    if isinstance(cause, OSError):
        return cause.strerror or str(cause)
    told = _state(cause)
    if told is not None:
        return str(cause).partition(">: ")[2] or str(cause) if told.startswith(_AWAY) else None
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return "the connection was lost" if lost or isinstance(cause, asyncpg.InterfaceError) else None


def _state(cause: object) -> str | None:
    state = getattr(cause, "sqlstate", None)
    return state if isinstance(state, str) else None
