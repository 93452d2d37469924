"""Where graphs are stored: every place is held to one suite.

Each is empty at first, opened as any process would open it, and able to die in the middle.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.files.runs import FileRunStore
from agentguard.adapters.memory.notices import MemoryNotices
from agentguard.adapters.neo4j.database import Neo4jDatabase, Work, open_neo4j
from agentguard.adapters.neo4j.projection import Neo4jProjection
from agentguard.adapters.sql.database import Database, open_database
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.coordination.dispatching import Dispatcher
from agentguard.graph.projection import GraphProjection, Projector
from agentguard.graph.runs import Runs
from agentguard.graph.storage.publishing import (
    GRAPH_STORED,
    PROJECTION,
    GraphPublisher,
    graph_notices,
)
from agentguard.graph.storage.retention import GraphLimits, VersionRetention
from agentguard.graph.storage.store import GraphVersion, RunStore
from agentguard.graph.storage.versions import Graphs
from agentguard.kernel.clock import NS_PER_HOUR, Clock, system_clock
from agentguard.retention.policy import Limit, Usage
from agentguard.simulation.failures_by_hour import failures_by_hour
from tests.acting import TESTER
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


@dataclass(frozen=True)
class Stored:
    """One process's view of the stored graphs."""

    unit_of_work: SqlUnitOfWork
    graphs: Graphs
    publisher: GraphPublisher
    retention: VersionRetention

    async def expire(self, now: int) -> tuple[str, ...]:
        """Delete what exceeds the limits, as housekeeping does."""
        ids = await self.unit_of_work.run(lambda stores: self.retention.expire(stores, now))
        await self.retention.deleted(ids)
        return ids

    async def put(self, version: GraphVersion, runs: Runs) -> bool:
        return await self.publisher.publish(TESTER, version, runs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.graphs, name)


def stored(
    database: Database,
    run_store: RunStore,
    clock: Clock,
    *,
    kept: int = 20,
    projection: GraphProjection | None = None,
) -> Stored:
    """Join what a process needs to store graphs."""
    unit_of_work = SqlUnitOfWork(database, clock)
    graphs = Graphs(unit_of_work, run_store)
    handlers = {GRAPH_STORED: graph_notices(MemoryNotices())}
    if projection is not None:
        handlers[PROJECTION] = Projector(graphs, projection).handle
    outbox = Dispatcher(unit_of_work, handlers, clock, claim_seconds=0.5)
    publisher = GraphPublisher(
        unit_of_work,
        run_store,
        graphs.recent,
        outbox,
        projected=projection is not None,
        failures=failures_by_hour,
    )
    limits = GraphLimits(Limit(number=kept), Limit())
    retention = VersionRetention(run_store, graphs.recent, limits, projected=projection is not None)
    return Stored(unit_of_work, graphs, publisher, retention)


class Backend(Protocol):
    """One kind of store; a value, so that it can be handed to another process."""

    @property
    def folder(self) -> Path:
        """Where the runs are."""

    def opened(
        self, *, kept: int = 20, clock: Clock | None = None, step: Step = step_on
    ) -> AbstractAsyncContextManager[Stored]:
        """Open it as one more process."""

    async def check(self, newest: GraphVersion) -> None:
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
    ) -> AsyncIterator[Stored]:
        clock = clock or SteppingClock()
        runs = SteppingRuns(FileRunStore(self.folder, clock), step)
        async with open_database(self.directory, self.server) as base:
            yield stored(SteppingDatabase(**_fields(base), step=step), runs, clock, kept=kept)

    async def check(self, newest: GraphVersion) -> None:
        pass


@dataclass(frozen=True)
class WithNeo4j:
    """A database, and the newest graph in Neo4j."""

    directory: Path
    place: Place
    seconds: float = 60

    @property
    def folder(self) -> Path:
        return self.directory / "graphs"

    @asynccontextmanager
    async def opened(
        self, *, kept: int = 20, clock: Clock | None = None, step: Step = step_on
    ) -> AsyncIterator[Stored]:
        clock = clock or SteppingClock()
        runs = SteppingRuns(FileRunStore(self.folder, clock), step)
        async with (
            open_database(self.directory) as base,
            open_neo4j(self.place.uri, self.place.credentials, DATABASE, self.seconds) as server,
        ):
            neo4j = SteppingNeo4j(**_fields(server), step=step)
            yield stored(
                SteppingDatabase(**_fields(base), step=step),
                runs,
                clock,
                kept=kept,
                projection=Neo4jProjection(neo4j, clock, lambda _: {}),
            )

    async def check(self, newest: GraphVersion) -> None:
        """It, and nothing else, is shown under the labels that people query.

        A server that starts first does what a dead process left undone.
        """
        async with self.opened(clock=_in_an_hour) as store:
            assert await store.publisher.outbox.drain(PROJECTION)
        shown = self.place.ask("MATCH (c:Component) RETURN c.id AS id, c.graph_version AS version")
        assert {row["version"] for row in shown} == {newest.id}
        assert sorted(row["id"] for row in shown) == sorted(c.id for c in newest.graph.components)
        edges = self.place.ask(
            "MATCH (:Component)-[d:DEPENDS_ON]->(:Component) RETURN count(*) AS n"
        )
        assert edges == [{"n": len(newest.graph.dependencies)}]


def _in_an_hour() -> int:
    """Return a time at which no dead process's claim holds any more."""
    return system_clock() + NS_PER_HOUR


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
        yield WithNeo4j(directory, place)


BACKENDS = {"sqlite": sqlite, "postgresql": postgresql, "neo4j": neo4j}
"""Each promise is kept by each of them: there are no gaps to declare."""


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

    async def calls_of_trace(self, version_id: str, trace_id: str) -> pa.Table:
        return await self.runs.calls_of_trace(version_id, trace_id)

    async def failures(self, version_id: str) -> pa.Table:
        return await self.runs.failures(version_id)

    async def delete(self, version_ids: Iterable[str]) -> None:
        self.step()
        await self.runs.delete(version_ids)
        self.step()

    async def sweep(self, owned: Collection[str]) -> int:
        return await self.runs.sweep(owned)

    async def usage(self) -> Usage:
        return await self.runs.usage()


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}
