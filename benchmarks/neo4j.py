"""Compare projecting a large graph to Neo4j with writing rows one by one (`make bench-neo4j`).

Uses the server in NEO4J_URI, NEO4J_USER and NEO4J_PASSWORD, and deletes its data; without them,
starts a server. While the graph is replaced, two readers count components per version: one takes
the lock described in docs/neo4j.md, one does not.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import neo4j

from agentguard.adapters.neo4j.database import Credentials, Neo4jDatabase, open_neo4j
from agentguard.adapters.neo4j.projection import Neo4jProjection
from agentguard.adapters.neo4j.switching import READ_WHOLE
from agentguard.graph.model import Graph
from agentguard.graph.storage.store import GraphVersion
from agentguard.kernel.clock import system_clock
from agentguard.kernel.ids import sortable_id
from benchmarks.graphs import made_up
from scripts.services.neo4j import neo4j as neo4j_server

COMPONENTS, DEPENDENCIES, SEED = (
    int(os.environ.get(name, default))
    for name, default in (
        ("BENCH_COMPONENTS", "10000"),
        ("BENCH_DEPENDENCIES", "50000"),
        ("BENCH_SEED", "1"),
    )
)
ROWS = COMPONENTS + DEPENDENCIES
_ONE_BY_ONE = 1_000
_SETTINGS = ("NEO4J_URI", "NEO4J_USER", "NEO4J_PASSWORD")
_TIMEOUT_SECONDS = 300
_EMPTY = (
    "MATCH ()-[r]->() WITH r LIMIT 2000 DELETE r RETURN count(*) AS n",
    "MATCH (n) WITH n LIMIT 500 DETACH DELETE n RETURN count(*) AS n",
)
_MERGE_ONE = """
MERGE (a:Single {id: $source}) MERGE (b:Single {id: $target})
MERGE (a)-[d:SINGLE {type: $type}]->(b)
SET d.calls = $calls, d.errors = $errors"""
_COUNT = "MATCH (c:Component) RETURN c.graph_version AS version, count(*) AS n"


@dataclass
class Reader:
    """Repeats a query in a thread."""

    settings: dict[str, str]
    statement: str
    reads: int = 0
    slowest: float = 0.0
    mixed: list[float] = field(default_factory=list)
    """Times of the results that were not one complete version."""

    @contextmanager
    def reading(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self._read, args=(stop,))
        thread.start()
        yield
        stop.set()
        thread.join()

    def __str__(self) -> str:
        within = (self.mixed[-1] - self.mixed[0]) * 1000 if self.mixed else 0
        return (
            f"{self.reads:,} reads, slowest {self.slowest * 1000:,.0f} ms, incomplete:"
            f" {len(self.mixed)} (within {within:,.0f} ms)"
        )

    def _read(self, stop: threading.Event) -> None:
        uri, user, password = (self.settings[name] for name in _SETTINGS)
        with (
            neo4j.GraphDatabase.driver(uri, auth=(user, password)) as driver,
            driver.session(database="neo4j") as session,
        ):
            while not stop.is_set():
                began = time.monotonic()
                found = [row["n"] for row in session.run(self.statement)]
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.reads += 1
                if found != [COMPONENTS]:
                    self.mixed.append(time.monotonic())


def main() -> int:
    with (
        tempfile.TemporaryDirectory(prefix="agentguard-bench-") as folder,
        running(Path(folder)) as settings,
    ):
        return asyncio.run(measure(settings))


@contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    if "NEO4J_URI" in os.environ:
        yield {name: os.environ[name] for name in _SETTINGS}
        return
    place = folder / "neo4j"
    place.mkdir()
    server = neo4j_server(place)
    server.start()
    try:
        yield dict(server.settings)
    finally:
        server.stop()


async def measure(settings: dict[str, str]) -> int:
    uri, user, password = (settings[name] for name in _SETTINGS)
    print(
        f"Generating {COMPONENTS:,} components and {DEPENDENCIES:,} dependencies (seed {SEED}) ...",
        file=sys.stderr,
    )
    graphs = [made_up(COMPONENTS, DEPENDENCIES, SEED + n) for n in range(3)]
    async with open_neo4j(uri, Credentials(user, password), "neo4j", _TIMEOUT_SECONDS) as database:
        await empty(database)
        store = Neo4jProjection(database, system_clock, lambda _: {})
        cold = await put(store, graphs[0])
        warm = await put(store, graphs[1])
        locked, unlocked = (
            Reader(settings, f"{READ_WHOLE} WITH newest {_COUNT}"),
            Reader(settings, _COUNT),
        )
        with locked.reading(), unlocked.reading():
            contended = await put(store, graphs[2])
        counted = [row["n"] for row in await database.ask(_COUNT)]
        single = await one_by_one(database, graphs[0])
        await empty(database)
    report(
        {
            "put, cold": cold,
            "put, warm": warm,
            "put, two readers": contended,
        },
        single,
    )
    print(f"reader with lock:    {locked}")
    print(f"reader without lock: {unlocked}")
    print(
        f"ratio: {ROWS / warm / single:.0f} times the rows per second of row by row; components"
        f" shown: {counted}"
    )
    return 0 if counted == [COMPONENTS] and not locked.mixed else 1


def report(seconds: dict[str, float], single: float) -> None:
    print(f"{'':18} {'wall s':>7} {'rows/s':>10}")
    for name, value in seconds.items():
        print(f"{name:18} {value:7.1f} {ROWS / value:10,.0f}")
    print(f"{'row by row':18} {'':7} {single:10,.0f}")


async def put(store: Neo4jProjection, graph: Graph) -> float:
    """Return the seconds until the graph is shown and its predecessor deleted."""
    now = system_clock()
    version = GraphVersion(sortable_id(now), "bench", now, graph)
    began = time.perf_counter()
    await store.project(version)
    return time.perf_counter() - began


async def one_by_one(database: Neo4jDatabase, graph: Graph) -> float:
    """Return the number of rows written per second with one transaction per row.

    Each row has fewer properties than in the projection; the index is the same.
    """
    await database.ask(
        "CREATE CONSTRAINT single_id IF NOT EXISTS FOR (s:Single) REQUIRE s.id IS UNIQUE"
    )
    began = time.perf_counter()
    for d in graph.dependencies[:_ONE_BY_ONE]:
        values = {
            "source": d.source,
            "target": d.target,
            "type": d.type.value,
            "calls": d.calls,
            "errors": d.errors,
        }
        await database.ask(_MERGE_ONE, **values)
    seconds = time.perf_counter() - began
    await database.ask("DROP CONSTRAINT single_id")
    return min(_ONE_BY_ONE, len(graph.dependencies)) / seconds


async def empty(database: Neo4jDatabase) -> None:
    for statement in _EMPTY:
        while (await database.ask(statement))[0]["n"]:
            pass


if __name__ == "__main__":
    sys.exit(main())
