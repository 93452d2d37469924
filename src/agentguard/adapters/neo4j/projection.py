"""The newest graph in Neo4j, as nodes and relationships that people can query."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from agentguard.adapters.neo4j.cleaning import delete_retired, retire, retire_abandoned
from agentguard.adapters.neo4j.database import Neo4jDatabase
from agentguard.adapters.neo4j.drafts import Draft
from agentguard.adapters.neo4j.errors import Neo4jUnavailableError
from agentguard.adapters.neo4j.schema import prepare
from agentguard.adapters.neo4j.staging import stage
from agentguard.adapters.neo4j.switching import DATA_MODEL, Switch, show_nothing
from agentguard.graph.model import Graph
from agentguard.graph.storage.store import GraphVersion
from agentguard.kernel.clock import NS_PER_HOUR, Clock

log = structlog.get_logger(__name__)

Standings = Callable[[Graph], Mapping[str, str]]
"""Returns the catalog standing of each component, by its id. CPU-bound."""

_SHOWN = "MATCH (n:NewestGraph {data_model: $data_model}) RETURN n.graph_version AS id"
_RESTATE = """
UNWIND $rows AS row
MATCH (c:Component {id: row[0]}) WHERE c.graph_version = $version
SET c.standing = row[1]"""


@dataclass(frozen=True, slots=True)
class Neo4jProjection:
    """A GraphProjection in a Neo4j database."""

    database: Neo4jDatabase
    clock: Clock
    standings: Standings

    async def shown(self) -> str | None:
        found = await self.database.ask(_SHOWN, data_model=DATA_MODEL)
        return str(found[0]["id"]) if found else None

    async def project(self, version: GraphVersion) -> None:
        await prepare(self.database)
        standings = await asyncio.to_thread(self.standings, version.graph)
        draft = Draft(version, secrets.token_hex(8), self.clock())
        try:
            await stage(self.database, draft, standings)
            await self.database.transact(Switch(draft))
        except Neo4jUnavailableError:
            await self._give_up(draft)
            raise
        await self._clean()

    async def clear(self) -> None:
        await self.database.transact(show_nothing)
        await self._clean()

    async def refresh(self, version: GraphVersion) -> None:
        await prepare(self.database)
        await self._clean()
        standings = await asyncio.to_thread(self.standings, version.graph)
        pairs = [list(pair) for pair in standings.items()]
        await self.database.ask(_RESTATE, rows=pairs, version=version.id)

    async def ping(self) -> None:
        await self.database.ping()

    async def _give_up(self, draft: Draft) -> None:
        """Delete what was staged; where Neo4j is unreachable, a later writer does it."""
        try:
            await retire(self.database, draft.version.id, draft.writer)
            await delete_retired(self.database)
        except Neo4jUnavailableError:
            log.warning("staged_graph_left_behind", graph_version=draft.version.id)

    async def _clean(self) -> None:
        """Delete what nobody sees; if that fails, the next writer does it."""
        try:
            await retire_abandoned(self.database, self.clock() - NS_PER_HOUR)
            await delete_retired(self.database)
        except Neo4jUnavailableError:
            log.warning("retired_graph_left_behind")
