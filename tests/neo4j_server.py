"""The Neo4j server that the tests share.

It has one database: one test at a time uses it, and finds it empty.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import neo4j
import pytest
from filelock import FileLock

from agentguard.adapters.neo4j.database import Credentials
from scripts.services.neo4j import neo4j as neo4j_service
from scripts.services.process import Server, ServiceError
from tests.services import beside, server

DATABASE = "neo4j"


@dataclass(frozen=True)
class Place:
    """A server's address and the user's credentials."""

    uri: str
    user: str
    password: str
    """Empty if the server requires no authentication."""

    @property
    def credentials(self) -> Credentials | None:
        return Credentials(self.user, self.password) if self.password else None

    def ask(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        """Run a statement with the driver alone, without AgentGuard."""
        with self.session() as session:
            return [dict(record.items()) for record in session.run(statement, parameters)]

    @contextmanager
    def session(self) -> Iterator[neo4j.Session]:
        who = (self.user, self.password) if self.password else None
        with (
            neo4j.GraphDatabase.driver(
                self.uri, auth=who, notifications_min_severity="OFF"
            ) as driver,
            driver.session(database=DATABASE) as session,
        ):
            yield session

    def empty(self) -> None:
        """Delete all data; constraints and indexes stay."""
        while self.ask("MATCH ()-[r]->() WITH r LIMIT 2000 DELETE r RETURN count(*) AS n")[0]["n"]:
            pass
        while self.ask("MATCH (n) WITH n LIMIT 500 DETACH DELETE n RETURN count(*) AS n")[0]["n"]:
            pass

    def forget_schema(self) -> None:
        """Delete constraints and indexes."""
        for row in self.ask("SHOW CONSTRAINTS YIELD name"):
            self.ask(f"DROP CONSTRAINT `{row['name']}`")
        for row in self.ask("SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP'"):
            self.ask(f"DROP INDEX `{row['name']}`")


@contextmanager
def own_neo4j(folder: Path) -> Iterator[Server]:
    """Yield a server that the test may kill; it is not started yet.

    Without the jars, skip the test, or fail it in CI.
    """
    folder.mkdir(exist_ok=True)
    try:
        own = neo4j_service(folder)
    except ServiceError as error:
        pytest.fail(str(error)) if os.environ.get("CI") else pytest.skip(str(error))
    try:
        yield own
    finally:
        own.stop()


def endpoint_of(own: Server) -> Place:
    return Place(*(own.settings[name] for name in ("NEO4J_URI", "NEO4J_USER", "NEO4J_PASSWORD")))


@contextmanager
def empty_neo4j() -> Iterator[Place]:
    """Lock and empty the shared server for one test."""
    place = Place(
        server("NEO4J_URI"), beside("NEO4J_USER") or "neo4j", beside("NEO4J_PASSWORD") or ""
    )
    name = f"agentguard-tests-{sha256(place.uri.encode()).hexdigest()[:16]}.lock"
    with FileLock(Path(tempfile.gettempdir()) / name):
        place.empty()
        yield place
