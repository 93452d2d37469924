"""Writing a graph beside the one that is shown.

In many transactions, under labels that nobody asks for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from agentguard.adapters.neo4j.database import Neo4jDatabase, Transaction, rows
from agentguard.adapters.neo4j.moments import moment
from agentguard.graph.errors import VersionExistsError
from agentguard.graph.export.property_graph import (
    COMPONENT,
    FALLBACK,
    TIMES,
    WORKFLOW,
    Table,
    Value,
    dependency_table,
)
from agentguard.graph.model import Component, Graph
from agentguard.graph.store import GraphVersion

T = TypeVar("T")

_SENT_AT_ONCE = 500
"""Rows. The driver packs them on the event loop, which this holds up for some 10 ms."""
_WRITTEN_AT_ONCE = 5_000
"""Rows in one transaction: the server holds each several times over in memory until it commits."""

_VERSION = f"""
OPTIONAL MATCH (there:GraphVersion {{id: $version}})
WITH there WHERE there IS NULL
CREATE (v:AgentGuardStagedVersion {{
  id: $version, dataset: $dataset, created_at: {moment("$created_at")}, staged_at: {moment("$now")},
  components: $components, dependencies: $dependencies, graph: $graph}})
RETURN v.id"""
_ENDS = """
MATCH (a:AgentGuardStagedComponent {graph_version: $version, id: row[0]})
MATCH (b:AgentGuardStagedComponent {graph_version: $version, id: row[1]})"""

_MADE_AT = f", timestamp: {moment('$created_at')}"


@dataclass(frozen=True, slots=True)
class _Part(Generic[T]):
    """All things of one sort in a graph, and what writes them."""

    items: Sequence[T]
    row: Callable[[T], list[Value]]
    statement: str

    def transactions(self) -> Iterator[Callable[[], list[list[Value]]]]:
        """Yield what makes the rows of each transaction. CPU-bound."""
        for start in range(0, len(self.items), _WRITTEN_AT_ONCE):
            yield partial(self._rows, self.items[start : start + _WRITTEN_AT_ONCE])

    def _rows(self, items: Iterable[T]) -> list[list[Value]]:
        return [self.row(item) for item in items]


async def stage(
    database: Neo4jDatabase,
    version: GraphVersion,
    document: bytes,
    standings: Mapping[str, str],
    now: int,
) -> None:
    """Write the version and its graph where no reader looks; raise VersionExistsError."""
    await database.transact(partial(_stage_version, version, document, now))
    writing: Awaitable[None] = asyncio.sleep(0)
    for part in _parts(version.graph, standings):
        for make in part.transactions():
            made, _ = await asyncio.gather(
                asyncio.to_thread(make), writing
            )  # these are made while those before are written
            writing = database.transact(partial(_send, part.statement, made, version))
    await writing


async def _stage_version(
    version: GraphVersion, document: bytes, now: int, transaction: Transaction
) -> None:
    graph = version.graph
    counts = {"components": len(graph.components), "dependencies": len(graph.dependencies)}
    moments = {"created_at": version.created_at, "now": now}
    if not await rows(
        transaction,
        _VERSION,
        version=version.id,
        dataset=version.dataset,
        graph=document,
        **counts,
        **moments,
    ):
        raise VersionExistsError(version.id)


async def _send(
    statement: str, made: list[list[Value]], version: GraphVersion, transaction: Transaction
) -> None:
    for start in range(0, len(made), _SENT_AT_ONCE):
        some = made[start : start + _SENT_AT_ONCE]
        await rows(
            transaction, statement, rows=some, version=version.id, created_at=version.created_at
        )


def _parts(graph: Graph, standings: Mapping[str, str]) -> Iterator[_Part[Any]]:
    dependency = dependency_table(graph)
    component: Table[Component] = {**COMPONENT, "standing": lambda c: standings.get(c.id)}
    yield _Part(
        graph.components,
        _row(component),
        f"UNWIND $rows AS row CREATE (:AgentGuardStagedComponent {_map(component)})",
    )
    yield _Part(
        graph.dependencies,
        _row({"source": lambda d: d.source, "target": lambda d: d.target, **dependency}),
        f"UNWIND $rows AS row {_ENDS} CREATE (a)-[:DEPENDS_ON"
        f" {_map(dependency, 2, _MADE_AT)}]->(b)",
    )
    yield _Part(
        graph.fallbacks,
        _row({"primary": lambda f: f.primary, "secondary": lambda f: f.secondary, **FALLBACK}),
        f"UNWIND $rows AS row {_ENDS} CREATE (a)-[:FALLS_BACK_TO {_map(FALLBACK, 2)}]->(b)",
    )
    yield _Part(
        graph.workflows,
        _row(
            {
                "starts_in": lambda w: w.root_component,
                "first_component": lambda w: w.entry,
                **WORKFLOW,
            }
        ),
        f"UNWIND $rows AS row {_ENDS} CREATE (w:AgentGuardStagedWorkflow {_map(WORKFLOW, 2)}) "
        "CREATE (w)-[:STARTS_IN]->(a) CREATE (w)-[:FIRST_COMPONENT]->(b)",
    )


def _row(table: Table[T]) -> Callable[[T], list[Value]]:
    return lambda item: [value(item) for value in table.values()]


def _map(names: Iterable[str], offset: int = 0, more: str = "") -> str:
    """Return Cypher for the properties of a row whose values, from the offset on, have these names."""
    values = ((name, f"row[{place}]") for place, name in enumerate(names, start=offset))
    properties = (
        f"{name}: {f'datetime({value})' if name in TIMES else value}" for name, value in values
    )
    return f"{{graph_version: $version, {', '.join(properties)}{more}}}"
