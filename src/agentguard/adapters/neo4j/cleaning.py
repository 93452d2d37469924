"""Deletes graphs that are not shown, in many small transactions, one process at a time."""

from __future__ import annotations

from functools import partial

from agentguard.adapters.neo4j.database import Neo4jDatabase, Transaction, rows
from agentguard.adapters.neo4j.drafts import ONE_WRITER
from agentguard.adapters.neo4j.moments import moment

_ONE_CLEANER = "MERGE (lock:AgentGuardLock {name: 'cleaner'}) SET lock:AgentGuardLock WITH lock"
_DELETE = (
    (
        f"{_ONE_CLEANER} MATCH (:AgentGuardRetired)-[d]->() WITH d LIMIT 2000 DELETE d RETURN"
        " count(*) AS deleted"
    ),
    (
        f"{_ONE_CLEANER} MATCH (n:AgentGuardRetired) WITH n LIMIT 2000 DETACH DELETE n RETURN"
        " count(*) AS deleted"
    ),
    (
        f"{_ONE_CLEANER} MATCH (v:AgentGuardRetiredVersion) WITH v LIMIT 1 DELETE v RETURN count(*)"
        " AS deleted"
    ),
)
_ABANDONED = (
    f"MATCH (v:AgentGuardStagedVersion) WHERE v.staged_at < {moment('$before')}"
    " RETURN v.id AS id, coalesce(v.writer, '') AS writer"
)
_IS_THERE = (
    "MATCH (v:AgentGuardStagedVersion {id: $version}) WHERE coalesce(v.writer, '') = $writer"
    " RETURN v.id"
)
_RETIRE = (
    (
        "MATCH (n:AgentGuardStagedComponent) WHERE n.graph_version = $version REMOVE"
        " n:AgentGuardStagedComponent SET n:AgentGuardRetired"
    ),
    (
        "MATCH (n:AgentGuardStagedWorkflow) WHERE n.graph_version = $version REMOVE"
        " n:AgentGuardStagedWorkflow SET n:AgentGuardRetired"
    ),
    (
        "MATCH (v:AgentGuardStagedVersion {id: $version}) REMOVE v:AgentGuardStagedVersion SET"
        " v:AgentGuardRetiredVersion"
    ),
)


async def delete_retired(database: Neo4jDatabase) -> None:
    """Delete all that is retired.

    Relationships before nodes, since one node may have any number of them.
    """
    for statement in _DELETE:
        while (await database.ask(statement))[0]["deleted"]:
            pass


async def retire_abandoned(database: Neo4jDatabase, before: int) -> None:
    """Retire what was staged before this time (ns) and never shown: its writer died."""
    for row in await database.ask(_ABANDONED, before=before):
        await retire(database, row["id"], row["writer"])


async def retire(database: Neo4jDatabase, version_id: str, writer: str) -> None:
    """Retire what this writer staged of the version, if no other writer took it over."""
    await database.transact(partial(_retire_own, version_id, writer))


async def _retire_own(version_id: str, writer: str, transaction: Transaction) -> None:
    await rows(transaction, ONE_WRITER)
    if await rows(transaction, _IS_THERE, version=version_id, writer=writer):
        await retire_staged(version_id, transaction)


async def retire_staged(version_id: str, transaction: Transaction) -> None:
    """Retire whatever is staged of the version; the transaction has ONE_WRITER's lock."""
    for statement in _RETIRE:
        await rows(transaction, statement, version=version_id)
