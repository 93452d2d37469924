"""Whether a database has accounts, before it is opened for anything else."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.api_keys import SqlApiKeys
from agentguard.adapters.sql.database import inspected_database
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.adapters.sql.sqlite import FILE_NAME
from agentguard.adapters.sql.tables import api_keys, users
from agentguard.adapters.sql.users import SqlUsers


async def has_accounts(directory: Path, server: PostgreSQL | None) -> bool:
    """Return whether keys or users exist; False where there is no database, or only an older one.

    Raises DatabaseUnavailableError.
    """
    if server is None and not await asyncio.to_thread((directory / FILE_NAME).is_file):
        return False
    async with inspected_database(directory, server) as database, database.reading() as connection:
        return await _has_any(connection)


async def _has_any(connection: AsyncConnection) -> bool:
    tables = await connection.run_sync(lambda c: inspect(c).get_table_names())
    has_keys = api_keys.name in tables and await SqlApiKeys(connection).any()
    return has_keys or (users.name in tables and await SqlUsers(connection).any())
