"""Graph versions in Neo4j: each whole, as a compressed document.

The newest also as nodes and relationships that people can query.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog
import zstandard
from neo4j import Record
from pydantic import TypeAdapter

from agentguard.adapters.neo4j.cleaning import delete_retired, retire, retire_staged
from agentguard.adapters.neo4j.database import Neo4jDatabase, Transaction, rows
from agentguard.adapters.neo4j.errors import Neo4jUnavailableError
from agentguard.adapters.neo4j.history import read_history
from agentguard.adapters.neo4j.moments import nanoseconds
from agentguard.adapters.neo4j.schema import prepare
from agentguard.adapters.neo4j.staging import stage
from agentguard.adapters.neo4j.switching import READ_WHOLE, Switch
from agentguard.graph.errors import NoGraphError
from agentguard.graph.history import History, history_of
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.graph.store import Dataset, GraphVersion, RunStore
from agentguard.graph.version_cache import Commit, RecentVersions, runs_first
from agentguard.kernel.clock import NS_PER_HOUR, Clock
from agentguard.kernel.stable_json import stable_json

log = structlog.get_logger(__name__)

Standings = Callable[[Graph], Mapping[str, str]]
"""Returns how each component stands to the catalogue, by its id. CPU-bound."""

_GRAPH = TypeAdapter(Graph)
_LOOKS = 3
_RETURN = f"""
RETURN v.id AS id, v.dataset AS dataset, {nanoseconds("v.created_at")} AS created_at,
  CASE WHEN v.id IN $recent THEN null ELSE v.graph END AS graph"""
_GET = f"MATCH (v:GraphVersion {{id: $version}}) {_RETURN}"
_NEWEST = (
    f"MATCH (v:GraphVersion) WHERE v.sequence > 0 WITH v ORDER BY v.sequence DESC LIMIT 1 {_RETURN}"
)
_NEWEST_OF = f"""
MATCH (v:GraphVersion) WHERE v.dataset = $dataset AND v.sequence > 0
WITH v ORDER BY v.sequence DESC LIMIT 1 {_RETURN}"""
_DATASETS = f"""
MATCH (v:GraphVersion) WHERE v.sequence > 0
WITH v ORDER BY v.sequence DESC
WITH v.dataset AS dataset, head(collect(v)) AS v
RETURN dataset, v.id, {nanoseconds("v.created_at")}, v.components, v.dependencies ORDER BY v.sequence DESC"""
_IDS = "MATCH (v:GraphVersion) RETURN v.id AS id"
_RESTATE = """
UNWIND $rows AS row
MATCH (c:Component {id: row[0]}) WHERE c.graph_version = $version
SET c.standing = row[1]"""


@dataclass(frozen=True, slots=True)
class Neo4jGraphStore:
    """A GraphStore over a Neo4j database."""

    database: Neo4jDatabase
    run_store: RunStore
    clock: Clock
    kept: int
    """Newest versions of each dataset that are kept."""
    standings: Standings
    recent: RecentVersions = field(default_factory=RecentVersions)

    async def put(self, version: GraphVersion, runs: Runs) -> None:
        await prepare(self.database)
        async with runs_first(self.run_store, version.id, runs) as commit:
            stale = await self._write(
                version, await asyncio.to_thread(history_of, version.graph, runs), commit
            )
        self.recent.add(version)
        self.recent.forget(stale)
        await self.run_store.delete(stale)
        await self._clean()

    async def newest(self, dataset: str | None = None) -> GraphVersion:
        found = await (
            self._look(_NEWEST)
            if dataset is None
            else self._look(_NEWEST_OF, dataset=_askable(dataset))
        )
        if found is None:
            raise NoGraphError.of(dataset)
        return found

    async def get(self, version_id: str) -> GraphVersion:
        found = await self._look(_GET, version=_askable(version_id))
        if found is None:
            raise NoGraphError.version(version_id)
        return found

    async def runs(self, version_id: str) -> Runs:
        return await self.run_store.get(version_id)

    async def datasets(self) -> tuple[Dataset, ...]:
        found = await self.database.ask(_DATASETS)
        return tuple(Dataset(*row.values()) for row in found)

    async def history(self) -> History:
        return await self.database.transact(_whole_history)

    async def sweep(self) -> int:
        """As promised.

        Also say anew how the newest graph stands to the catalogue, which may be another since it
        was written.
        """
        await prepare(self.database)
        await self._clean()
        owned = [row["id"] for row in await self.database.ask(_IDS)]
        await self._restate()
        return await self.run_store.sweep(owned)

    async def ping(self) -> None:
        await self.database.ping()

    async def _write(self, version: GraphVersion, seen: History, commit: Commit) -> list[str]:
        """Stage the version, then show it; return the versions that went in its place."""
        document = await asyncio.to_thread(_document, version.graph)
        standings = await asyncio.to_thread(self.standings, version.graph)
        now = self.clock()
        try:
            await stage(self.database, version, document, standings, now)
            return await self.database.transact(Switch(version, seen, self.kept, now, commit))
        except Neo4jUnavailableError:
            if not commit.begun:
                await self._give_up(version.id)
            raise

    async def _give_up(self, version_id: str) -> None:
        """Take away what was staged; where Neo4j is gone, a later writer does it."""
        try:
            await retire(self.database, version_id)
            await delete_retired(self.database)
        except Neo4jUnavailableError:
            log.warning("staged_graph_left_behind", graph_version=version_id)

    async def _clean(self) -> None:
        """Delete what nobody sees.

        Should that fail, what was written stands, and the next writer does it.
        """
        try:
            await retire_staged(self.database, self.clock() - NS_PER_HOUR)
            await delete_retired(self.database)
        except Neo4jUnavailableError:
            log.warning("retired_graph_left_behind")

    async def _restate(self) -> None:
        found = await self._look(_NEWEST)
        if found is not None:
            standings = await asyncio.to_thread(self.standings, found.graph)
            pairs = [list(pair) for pair in standings.items()]
            await self.database.ask(_RESTATE, rows=pairs, version=found.id)

    async def _look(self, statement: str, **parameters: object) -> GraphVersion | None:
        """Return the version that the statement finds.

        One that is deleted at that moment may be found in part: then look again.
        """
        for _ in range(_LOOKS):
            found = await self.database.ask(statement, recent=list(self.recent.ids()), **parameters)
            if not found:
                return None
            version = self.recent.get(found[0]["id"]) or await asyncio.to_thread(_version, found[0])
            if version is not None:
                self.recent.add(version)
                return version
        raise Neo4jUnavailableError(
            f"Neo4j at {self.database.address} holds a graph that cannot be read. Write it anew:"
            " scan again."
        )


async def _whole_history(transaction: Transaction) -> History:
    await rows(transaction, READ_WHOLE)
    return await read_history(transaction)


def _askable(name: str) -> str:
    """Return the name as one that can be sent.

    What cannot (an unpaired surrogate) stands in no name that is kept.
    """
    return name.encode(errors="replace").decode()


def _document(graph: Graph) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(stable_json(graph))


def _version(row: Record) -> GraphVersion | None:
    """Return the version, or None where not all of it is there."""
    try:
        document = zstandard.decompress(row["graph"] or b"")
    except zstandard.ZstdError:
        return None
    return GraphVersion(
        row["id"], row["dataset"], row["created_at"], _GRAPH.validate_json(document)
    )
