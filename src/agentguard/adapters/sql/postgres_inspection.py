"""Inspects a PostgreSQL server and our rights on it, without changing it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy import make_url

from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.kernel.errors import UnusableServiceError

_TIMEOUT_SECONDS = 5.0
_QUESTION = """
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::int / 10000 AS major,
       current_setting('server_encoding') AS encoding,
       current_setting('max_connections')::int AS most_connections,
       current_setting('transaction_read_only')::bool AS read_only,
       coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
       to_regclass('alembic_version') IS NOT NULL AS has_tables
"""


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """A server that accepted the credentials."""

    place: str
    version: str
    major: int
    encoding: str
    most_connections: int
    read_only: bool
    may_create: bool
    """Whether our user may create tables."""
    revision: str | None
    """The schema's revision; None where there are no tables."""


def inspect_postgresql(server: PostgreSQL) -> DatabaseServer:
    """Return what the server is; raise UnusableServiceError, with advice, where that fails."""
    try:
        return asyncio.run(_inspect(server))
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise UnusableServiceError(f"{server.place} {_trouble(error, server)}") from error


async def _inspect(server: PostgreSQL) -> DatabaseServer:
    async with asyncio.timeout(_TIMEOUT_SECONDS * 2):
        connection = await asyncpg.connect(
            server.url, timeout=_TIMEOUT_SECONDS, command_timeout=_TIMEOUT_SECONDS
        )
        try:
            found = dict(await connection.fetchrow(_QUESTION))
            has_tables = found.pop("has_tables")
            revision = (
                await connection.fetchval("SELECT version_num FROM alembic_version")
                if has_tables
                else None
            )
        finally:
            await connection.close(timeout=_TIMEOUT_SECONDS)
    return DatabaseServer(place=server.place, revision=revision, **found)


def _trouble(error: Exception, server: PostgreSQL) -> str:
    named: Any = make_url(server.url)
    match error:
        case asyncpg.InvalidAuthorizationSpecificationError():
            return (
                f"rejected the credentials of {named.username!r}. Correct POSTGRES_USER and"
                " POSTGRES_PASSWORD, or those in DATABASE_URL."
            )
        case asyncpg.InvalidCatalogNameError():
            return (
                f"has no database {named.database!r}. Create it (`createdb {named.database}`), or"
                " correct POSTGRES_DB or DATABASE_URL."
            )
        case asyncpg.CannotConnectNowError():
            return "is starting or stopping. Try again in a moment."
        case asyncpg.TooManyConnectionsError():
            return (
                "has no connection left. Raise its max_connections, or lower"
                " AGENTGUARD_DATABASE_POOL_SIZE."
            )
        case asyncpg.PostgresError():
            return f"rejected the request ({type(error).__name__}). See the server's log."
    reason = (
        getattr(error, "strerror", None) or "no answer in time"
        if isinstance(error, OSError)
        else "the service speaks another protocol"
    )
    return (
        f"is unreachable: {reason}. Start it, or set POSTGRES_HOST and POSTGRES_PORT, or"
        " DATABASE_URL, to its address."
    )
