"""Graph versions as Neo4j held them before they moved to the database, read for an import."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog
import zstandard
from neo4j import Record
from pydantic import TypeAdapter

from agentguard.adapters.neo4j.cleaning import delete_retired
from agentguard.adapters.neo4j.database import Neo4jDatabase
from agentguard.adapters.neo4j.moments import nanoseconds
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Graph
from agentguard.graph.storage.former_names import modernised
from agentguard.graph.storage.history import ComponentHistory, History
from agentguard.graph.storage.store import GraphVersion

log = structlog.get_logger(__name__)

_GRAPH = TypeAdapter(Graph)
_IDS = "MATCH (v:GraphVersion) WHERE v.sequence > 0 RETURN v.id AS id ORDER BY v.sequence"
_GET = f"""
MATCH (v:GraphVersion {{id: $version}})
RETURN v.id AS id, v.dataset AS dataset, {nanoseconds("v.created_at")} AS created_at,
  v.graph AS graph"""
_SEEN = f"""
MATCH (s:Sighting)
RETURN s.id, s.kind, s.name, s.environment, s.spellings, {nanoseconds("s.first_seen")},
  {nanoseconds("s.last_seen")}
ORDER BY s.id"""
_DAYS = "MATCH (d:DaySeen) RETURN d.day AS day ORDER BY day"
_RETIRE = "MATCH (v:GraphVersion) REMOVE v:GraphVersion SET v:AgentGuardRetiredVersion"
_DELETE = (
    "MATCH (s:Sighting) WITH s LIMIT 2000 DELETE s RETURN count(*) AS deleted",
    "MATCH (d:DaySeen) WITH d LIMIT 2000 DELETE d RETURN count(*) AS deleted",
)


@dataclass(frozen=True, slots=True)
class Neo4jFormerGraphs:
    """A FormerGraphs in a Neo4j database."""

    database: Neo4jDatabase

    async def versions(self) -> tuple[GraphVersion, ...]:
        ids = [row["id"] for row in await self.database.ask(_IDS)]
        found = [await self._version(version_id) for version_id in ids]
        return tuple(version for version in found if version is not None)

    async def history(self) -> History:
        seen = await self.database.ask(_SEEN)
        days = await self.database.ask(_DAYS)
        return History(tuple(map(_component_history, seen)), tuple(row["day"] for row in days))

    async def forget(self) -> None:
        await self.database.ask(_RETIRE)
        for statement in _DELETE:
            while (await self.database.ask(statement))[0]["deleted"]:
                pass
        await delete_retired(self.database)

    async def _version(self, version_id: str) -> GraphVersion | None:
        (row,) = await self.database.ask(_GET, version=version_id)
        try:
            return await asyncio.to_thread(_read, row)
        except (zstandard.ZstdError, ValueError):
            log.warning("former_graph_unreadable", graph_version=version_id)
            return None


def _read(row: Record) -> GraphVersion:
    document = modernised(zstandard.decompress(row["graph"] or b""))
    return GraphVersion(
        row["id"], row["dataset"], row["created_at"], _GRAPH.validate_json(document)
    )


def _component_history(row: Record) -> ComponentHistory:
    id_, kind, name, environment, spellings, first_seen, last_seen = row.values()
    return ComponentHistory(
        id_, ComponentKind(kind), name, environment, tuple(spellings), first_seen, last_seen
    )
