"""The graph stores that are held to one suite.

Each empty at first, opened as any process would open it, and able to die in the middle.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.files.runs import FileRunStore
from agentguard.adapters.neo4j.database import Neo4jDatabase, Work, open_neo4j
from agentguard.adapters.neo4j.graphs import Neo4jGraphStore
from agentguard.adapters.sql.database import Database, open_database
from agentguard.adapters.sql.graphs import SqlGraphStore
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.graph.runs import Runs
from agentguard.graph.store import GraphStore, GraphVersion, RunStore
from agentguard.kernel.clock import Clock
from tests.conformance.graphs import SteppingClock
from tests.databases import empty_database
from tests.neo4j_server import DATABASE, Place, empty_neo4j

DIED = 9

Step = Callable[[], None]
"""Called before and after everything that a store asks of the outside."""


def step_on() -> None:
    """Go on."""


def dying_at(step: int) -> Step:
    """Return what ends the process, with no time to clear up, when it is called after that many
    steps.
    """
    left = step

    def count() -> None:
        nonlocal left
        if left == 0:
            os._exit(DIED)
        left -= 1

    return count


class Backend(Protocol):
    """One kind of store; a value, so that it can be handed to another process."""

    @property
    def folder(self) -> Path:
        """Where the runs are."""

    def opened(
        self, *, kept: int = 20, clock: Clock | None = None, step: Step = step_on
    ) -> AbstractAsyncContextManager[GraphStore]:
        """Open it as one more process."""

    def check(self, newest: GraphVersion) -> None:
        """Check what else must be so when this is the newest version."""


@dataclass(frozen=True)
class Sql:
    directory: Path
    server: PostgreSQL | None = None

    @property
    def folder(self) -> Path:
        return self.directory / "graphs"

    @asynccontextmanager
    async def opened(
        self, *, kept: int = 20, clock: Clock | None = None, step: Step = step_on
    ) -> AsyncIterator[GraphStore]:
        clock = clock or SteppingClock()
        runs = SteppingRuns(FileRunStore(self.folder, clock), step)
        async with open_database(self.directory, self.server) as base:
            yield SqlGraphStore(SteppingDatabase(**_fields(base), step=step), runs, clock, kept)

    def check(self, newest: GraphVersion) -> None:
        pass


@dataclass(frozen=True)
class Neo4j:
    directory: Path
    place: Place
    seconds: float = 60

    @property
    def folder(self) -> Path:
        return self.directory / "graphs"

    @asynccontextmanager
    async def opened(
        self, *, kept: int = 20, clock: Clock | None = None, step: Step = step_on
    ) -> AsyncIterator[GraphStore]:
        clock = clock or SteppingClock()
        runs = SteppingRuns(FileRunStore(self.folder, clock), step)
        async with open_neo4j(
            self.place.uri, self.place.credentials, DATABASE, self.seconds
        ) as base:
            yield Neo4jGraphStore(
                SteppingNeo4j(**_fields(base), step=step), runs, clock, kept, lambda _: {}
            )

    def check(self, newest: GraphVersion) -> None:
        """It, and nothing else, is shown under the labels that people query."""
        shown = self.place.ask("MATCH (c:Component) RETURN c.id AS id, c.graph_version AS version")
        assert {row["version"] for row in shown} == {newest.id}
        assert sorted(row["id"] for row in shown) == sorted(c.id for c in newest.graph.components)
        edges = self.place.ask(
            "MATCH (:Component)-[d:DEPENDS_ON]->(:Component) RETURN count(*) AS n"
        )
        assert edges == [{"n": len(newest.graph.dependencies)}]


@contextmanager
def sqlite(directory: Path) -> Iterator[Backend]:
    yield Sql(directory)


@contextmanager
def postgresql(directory: Path) -> Iterator[Backend]:
    with asyncio.Runner() as runner:
        database = empty_database("postgresql")
        yield Sql(directory, runner.run(database.__aenter__()))
        runner.run(database.__aexit__(None, None, None))


@contextmanager
def neo4j(directory: Path) -> Iterator[Backend]:
    with empty_neo4j() as place:
        yield Neo4j(directory, place)


BACKENDS = {"sqlite": sqlite, "postgresql": postgresql, "neo4j": neo4j}
"""Each promise of the port is kept by each of them: there are no gaps to declare."""


@dataclass(frozen=True)
class SteppingDatabase(Database):
    step: Step = step_on

    async def write(self, work: Callable[[AsyncConnection], Awaitable[Any]]) -> Any:
        async def stepping(connection: AsyncConnection) -> Any:
            found = await work(connection)
            self.step()
            return found

        self.step()
        found = await Database.write(self, stepping)
        self.step()
        return found


@dataclass(frozen=True)
class SteppingNeo4j(Neo4jDatabase):
    step: Step = step_on

    async def transact(self, work: Work[Any]) -> Any:
        async def stepping(transaction: Any) -> Any:
            found = await work(transaction)
            self.step()
            return found

        self.step()
        found = await Neo4jDatabase.transact(self, stepping)
        self.step()
        return found


@dataclass(frozen=True)
class SteppingRuns:
    runs: RunStore
    step: Step

    async def put(self, version_id: str, runs: Runs) -> None:
        self.step()
        await self.runs.put(version_id, runs)
        self.step()

    async def get(self, version_id: str) -> Runs:
        return await self.runs.get(version_id)

    async def delete(self, version_ids: Iterable[str]) -> None:
        self.step()
        await self.runs.delete(version_ids)
        self.step()

    async def sweep(self, owned: Collection[str]) -> int:
        return await self.runs.sweep(owned)


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}
