"""Constraints and indexes, created before anything is written.

Labels that start with AgentGuard are internal. Nodes that lack `graph_version` belong to others,
whatever their labels.
"""

from __future__ import annotations

import math

from agentguard.adapters.neo4j.database import Neo4jDatabase
from agentguard.graph.export.property_graph import CONSTRAINT, INDEXES

_SCHEMA = (
    CONSTRAINT,
    *INDEXES,
    (
        "CREATE CONSTRAINT agentguard_lock IF NOT EXISTS FOR (l:AgentGuardLock) REQUIRE l.name IS"
        " UNIQUE"
    ),
    (
        "CREATE INDEX agentguard_staged IF NOT EXISTS FOR (c:AgentGuardStagedComponent) ON"
        " (c.graph_version, c.id)"
    ),
)
_NAMES = [statement.split()[2] for statement in _SCHEMA]


# Each constraint has an index of its name; one that is still being filled does not count.
_THERE = (
    "SHOW INDEXES YIELD name, state WHERE name IN $names AND state = 'ONLINE' RETURN count(*) AS"
    " there"
)


async def prepare(database: Neo4jDatabase) -> None:
    """Create what is missing: at the first write, and where the database was emptied since."""
    found = await database.ask(_THERE, names=_NAMES)
    if found[0]["there"] < len(_NAMES):
        for statement in _SCHEMA:
            await database.ask(statement)
        await database.ask(
            "CALL db.awaitIndexes($seconds)", seconds=math.ceil(database.timeout_seconds)
        )
