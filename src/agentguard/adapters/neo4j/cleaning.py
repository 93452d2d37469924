"""Deleting what is not shown any more, or never was.

In many small transactions, one process at a time.
"""

from __future__ import annotations

from functools import partial

from agentguard.adapters.neo4j.database import Neo4jDatabase, Transaction, rows
from agentguard.adapters.neo4j.moments import moment
from agentguard.adapters.neo4j.switching import ONE_WRITER

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
_LEFT_BEHIND = (
    f"MATCH (v:AgentGuardStagedVersion) WHERE v.staged_at < {moment('$before')} RETURN v.id AS id"
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


async def retire_staged(database: Neo4jDatabase, before: int) -> None:
    """Retire what was staged before this time (ns) and never shown: its writer died."""
    found = await database.ask(_LEFT_BEHIND, before=before)
    for row in found:
        await retire(database, row["id"])


async def retire(database: Neo4jDatabase, version_id: str) -> None:
    """Retire what was staged of this version, if its writer gave up."""
    await database.transact(partial(_retire, version_id))


async def _retire(version_id: str, transaction: Transaction) -> None:
    for statement in (ONE_WRITER, *_RETIRE):
        await rows(transaction, statement, version=version_id)
