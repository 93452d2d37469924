"""Talking to one database of a Neo4j server.

Transactions that are retried, waits that end, errors that say what to do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias, TypeVar
from urllib.parse import urlsplit

from neo4j import AsyncDriver, AsyncGraphDatabase, AsyncManagedTransaction, Record, unit_of_work
from neo4j.exceptions import (
    ClientError,
    ConfigurationError,
    CypherSyntaxError,
    CypherTypeError,
    GqlError,
)

from agentguard.adapters.neo4j.errors import Neo4jAddressError, met_another, unavailable

T = TypeVar("T")
Transaction: TypeAlias = AsyncManagedTransaction
Work: TypeAlias = Callable[[Transaction], Awaitable[T]]
"""Runs in a transaction, once or more often: only its last run counts."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks."""

    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Neo4jDatabase:
    """One database.

    Nothing is connected before it is needed; one that is away is said to be so at once, and asked
    again next time.
    """

    driver: AsyncDriver
    address: str
    name: str
    timeout_seconds: float

    async def ping(self) -> None:
        """Ask it something; raise Neo4jUnavailableError where it does not answer."""
        await self.ask("RETURN 1")

    async def transact(self, work: Work[T]) -> T:
        """Do the work in one transaction, durable once this returns; raise Neo4jUnavailableError.

        What may pass (a deadlock, a change of leader) is tried again until the time is up; what two
        wanted to create at once, once more. Readers too ask whoever takes writes: in a cluster a
        follower may lag behind what was written last.
        """
        limited = unit_of_work(timeout=self.timeout_seconds)(work)
        try:
            async with asyncio.timeout(self.timeout_seconds):
                await self.driver.verify_connectivity()
                try:
                    return await self._transact(limited)
                except ClientError as error:
                    if not met_another(error):
                        raise
                    return await self._transact(limited)
        except (CypherSyntaxError, CypherTypeError):  # a fault of our own
            raise
        except (GqlError, TimeoutError, OSError) as error:
            raise unavailable(error, self.address, self.name) from error

    async def ask(self, statement: str, **parameters: object) -> Sequence[Record]:
        """Run one statement in a transaction of its own; return its rows."""
        return await self.transact(lambda transaction: rows(transaction, statement, **parameters))

    async def _transact(self, work: Work[T]) -> T:
        async with self.driver.session(database=self.name) as session:
            return await session.execute_write(work)


@asynccontextmanager
async def open_neo4j(
    uri: str, credentials: Credentials | None, name: str, timeout_seconds: float
) -> AsyncIterator[Neo4jDatabase]:
    """Make ready to talk to this database, and close all connections at the end.

    Raise Neo4jAddressError.
    """
    logging.getLogger("neo4j").addHandler(
        logging.NullHandler()
    )  # or its warnings of retries would go to standard error
    driver = _driver(uri, credentials, timeout_seconds)
    async with driver:
        yield Neo4jDatabase(driver, uri, name, timeout_seconds)


def _driver(uri: str, credentials: Credentials | None, timeout_seconds: float) -> AsyncDriver:
    if "@" in urlsplit(uri).netloc:
        raise Neo4jAddressError
    try:
        return AsyncGraphDatabase.driver(
            uri,
            auth=None if credentials is None else (credentials.user, credentials.password),
            connection_timeout=timeout_seconds,
            connection_acquisition_timeout=timeout_seconds,
            max_transaction_retry_time=timeout_seconds,
            notifications_min_severity="OFF",
            telemetry_disabled=True,
        )
    except (ConfigurationError, ValueError) as error:
        raise Neo4jAddressError from error


async def rows(transaction: Transaction, statement: str, **parameters: object) -> Sequence[Record]:
    """Return all rows of a statement's answer."""
    result = await transaction.run(statement, parameters)
    return [row async for row in result]
