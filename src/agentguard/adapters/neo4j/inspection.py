"""Inspects a Neo4j server and its database without changing them."""

from __future__ import annotations

from dataclasses import dataclass

from neo4j import Driver, GraphDatabase
from neo4j.exceptions import ConfigurationError, GqlError

from agentguard.adapters.neo4j.errors import Neo4jAddressError, unavailable

_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class GraphServer:
    """A server that accepted the credentials."""

    version: str
    edition: str
    constrained: bool
    """Whether component ids are unique in the database: true once AgentGuard has written there."""

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])


def inspect_neo4j(uri: str, user: str | None, password: str | None, database: str) -> GraphServer:
    """Return what the server is; raise Neo4jAddressError or Neo4jUnavailableError."""
    try:
        with _driver(uri, user, password) as driver:
            return _inspect(driver, database)
    except (ConfigurationError, ValueError) as error:
        raise Neo4jAddressError from error
    except (GqlError, OSError) as error:
        raise unavailable(error, uri, database) from error


def _driver(uri: str, user: str | None, password: str | None) -> Driver:
    return GraphDatabase.driver(
        uri,
        auth=None if password is None else (user or "neo4j", password),
        connection_timeout=_TIMEOUT_SECONDS,
        connection_acquisition_timeout=_TIMEOUT_SECONDS,
        max_transaction_retry_time=0,
        notifications_min_severity="OFF",
        telemetry_disabled=True,
    )


def _inspect(driver: Driver, database: str) -> GraphServer:
    with driver.session(database=database) as session:
        kernel = session.run(
            "CALL dbms.components() YIELD name, versions, edition WHERE name = 'Neo4j Kernel'"
            " RETURN versions, edition"
        )
        versions, edition = kernel.values()[0]
        unique = session.run(
            "SHOW CONSTRAINTS YIELD type, labelsOrTypes, properties RETURN type, labelsOrTypes,"
            " properties"
        ).values()
    constrained = any(
        "UNIQUE" in kind and labels == ["Component"] and properties == ["id"]
        for kind, labels, properties in unique
    )
    return GraphServer(versions[0], edition, constrained)
