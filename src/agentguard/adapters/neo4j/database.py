"""One database of a Neo4j server: retried transactions, time limits, errors with advice."""

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
"""Runs in a transaction, possibly more than once: only the last run counts."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The user that AgentGuard logs in as."""

    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Neo4jDatabase:
    """One database; connected when first used, and tried again at each use while unreachable."""

    driver: AsyncDriver
    address: str
    name: str
    timeout_seconds: float

    async def ping(self) -> None:
        """Run a query; raise Neo4jUnavailableError where it fails."""
        await self.ask("RETURN 1")

    async def transact(self, work: Work[T]) -> T:
        """Do the work in one transaction, durable once this returns; raise Neo4jUnavailableError.

        Transient failures (a deadlock, a change of leader) are retried within the time limit, a
        conflict over creating the same node once. Reads go to the leader too: in a cluster a
        follower may lag behind.
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
        except (CypherSyntaxError, CypherTypeError):  # a bug in AgentGuard
            raise
        except (GqlError, TimeoutError, OSError) as error:
            raise unavailable(error, self.address, self.name) from error

    async def ask(self, statement: str, **parameters: object) -> Sequence[Record]:
        """Run one statement in its own transaction and return its rows."""
        return await self.transact(lambda transaction: rows(transaction, statement, **parameters))

    async def _transact(self, work: Work[T]) -> T:
        async with self.driver.session(database=self.name) as session:
            return await session.execute_write(work)


@asynccontextmanager
async def open_neo4j(
    uri: str, credentials: Credentials | None, name: str, timeout_seconds: float
) -> AsyncIterator[Neo4jDatabase]:
    """Prepare connections to this database and close them at the end; raise Neo4jAddressError."""
    # Without a handler the driver's warnings of retries would go to standard error.
    logging.getLogger("neo4j").addHandler(logging.NullHandler())
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
    """Run a statement and return all its rows."""
    result = await transaction.run(statement, parameters)
    return [row async for row in result]
