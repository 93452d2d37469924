"""Writes a graph beside the one that is shown, in many transactions, under labels of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from agentguard.adapters.neo4j.cleaning import retire_staged
from agentguard.adapters.neo4j.database import Neo4jDatabase, Transaction, rows
from agentguard.adapters.neo4j.drafts import ONE_WRITER, Draft
from agentguard.adapters.neo4j.errors import StagedGraphLostError
from agentguard.adapters.neo4j.moments import moment
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

T = TypeVar("T")

_SENT_AT_ONCE = 500
"""Rows. The driver packs them on the event loop, which this blocks for some 10 ms."""
_WRITTEN_AT_ONCE = 5_000
"""Rows in one transaction: the server holds each several times in memory until the commit."""

_STAGE = f"""
CREATE (:AgentGuardStagedVersion {{
  id: $version, writer: $writer, staged_at: {moment("$staged_at")}}})"""
_STILL_OURS = """
MATCH (v:AgentGuardStagedVersion {id: $version, writer: $writer})
SET v:AgentGuardStagedVersion
RETURN v.id"""
_ENDS = """
MATCH (a:AgentGuardStagedComponent {graph_version: $version, id: row[0]})
MATCH (b:AgentGuardStagedComponent {graph_version: $version, id: row[1]})"""

_MADE_AT = f", timestamp: {moment('$created_at')}"


@dataclass(frozen=True, slots=True)
class _Part(Generic[T]):
    """All elements of one kind in a graph, and the statement that writes them."""

    items: Sequence[T]
    row: Callable[[T], list[Value]]
    statement: str

    def transactions(self) -> Iterator[Callable[[], list[list[Value]]]]:
        """Yield functions that make the rows of one transaction each. CPU-bound."""
        for start in range(0, len(self.items), _WRITTEN_AT_ONCE):
            yield partial(self._rows, self.items[start : start + _WRITTEN_AT_ONCE])

    def _rows(self, items: Iterable[T]) -> list[list[Value]]:
        return [self.row(item) for item in items]


async def stage(database: Neo4jDatabase, draft: Draft, standings: Mapping[str, str]) -> None:
    """Write the draft's graph where no reader looks, in place of other drafts of its version.

    Raise StagedGraphLostError as soon as another writer takes the version over.
    """
    await database.transact(partial(_begin, draft))
    writing: Awaitable[None] = asyncio.sleep(0)
    for part in _parts(draft.version.graph, standings):
        for make in part.transactions():
            made, _ = await asyncio.gather(  # made while the ones before are written
                asyncio.to_thread(make), writing
            )
            writing = database.transact(partial(_send, part.statement, made, draft))
    await writing


async def _begin(draft: Draft, transaction: Transaction) -> None:
    await rows(transaction, ONE_WRITER)
    await retire_staged(draft.version.id, transaction)
    named = {"version": draft.version.id, "writer": draft.writer}
    await rows(transaction, _STAGE, **named, staged_at=draft.staged_at)


async def _send(
    statement: str, made: list[list[Value]], draft: Draft, transaction: Transaction
) -> None:
    version = draft.version
    if not await rows(transaction, _STILL_OURS, version=version.id, writer=draft.writer):
        raise StagedGraphLostError
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
    """Return Cypher for the properties with these names, from the row's values after the offset."""
    values = ((name, f"row[{place}]") for place, name in enumerate(names, start=offset))
    properties = (
        f"{name}: {f'datetime({value})' if name in TIMES else value}" for name, value in values
    )
    return f"{{graph_version: $version, {', '.join(properties)}{more}}}"
