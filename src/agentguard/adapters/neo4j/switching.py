"""Showing the staged graph in place of the one before it.

One transaction that changes labels only, so it is short.

Neo4j reads what is committed, but a commit is not applied at one instant: who reads meanwhile meets
some nodes as they were and some as they will be. So the transaction ends by changing the one node
`NewestGraph`: it holds that node's lock while it is applied. Who takes the lock first (`SET` of a
label that the node has: nothing changes) reads one graph, whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agentguard.adapters.neo4j.database import Transaction, rows
from agentguard.adapters.neo4j.errors import StagedGraphLostError
from agentguard.adapters.neo4j.history import add_history
from agentguard.adapters.neo4j.moments import moment
from agentguard.graph.export.property_graph import LABELS
from agentguard.graph.history import History
from agentguard.graph.store import GRACE, GraphVersion
from agentguard.graph.version_cache import Commit

READ_WHOLE = "MATCH (newest:NewestGraph) SET newest:NewestGraph"
"""Wait until no graph is being replaced, and let none be replaced before this transaction ends."""

ONE_WRITER = "MERGE (lock:AgentGuardLock {name: 'writer'}) SET lock:AgentGuardLock"
"""Wait until nobody shows or retires a staged graph, and let nobody do so before this transaction
ends.
"""

_NEXT_SEQUENCE = f"""
{ONE_WRITER}
SET lock.sequence = coalesce(lock.sequence, 0) + 1
RETURN lock.sequence AS sequence"""
_SHOW_VERSION = """
MATCH (v:AgentGuardStagedVersion {id: $version})
REMOVE v:AgentGuardStagedVersion SET v:GraphVersion, v.sequence = $sequence
RETURN v.id"""
_LET_GO = f"""
MATCH (v:GraphVersion) WHERE v.dataset = $dataset AND v.sequence > 0
WITH v ORDER BY v.sequence DESC SKIP $kept
WITH v WHERE v.created_at < {moment("$before")}
REMOVE v:GraphVersion SET v:AgentGuardRetiredVersion
RETURN v.id AS id"""
_HEAD = f"""
MERGE (newest:NewestGraph)
SET newest = {{graph_version: $version, dataset: $dataset, created_at: {moment("$created_at")},
  components: $components, dependencies: $dependencies}}"""


@dataclass(frozen=True, slots=True)
class Switch:
    """From whatever is shown to this version.

    Raises StagedGraphLostError where another process took it away.
    """

    version: GraphVersion
    seen: History
    kept: int
    now: int
    commit: Commit

    async def __call__(self, transaction: Transaction) -> list[str]:
        """Do it; return the versions that go in its place."""
        self.commit.begun = False
        version, graph = self.version, self.version.graph
        sequence = (await rows(transaction, _NEXT_SEQUENCE))[0]["sequence"]
        if not await rows(transaction, _SHOW_VERSION, version=version.id, sequence=sequence):
            raise StagedGraphLostError
        for statement in _relabel():
            await rows(transaction, statement, version=version.id)
        await add_history(transaction, self.seen, self.now)
        gone = await rows(
            transaction, _LET_GO, dataset=version.dataset, kept=self.kept, before=self.now - GRACE
        )
        counts = {"components": len(graph.components), "dependencies": len(graph.dependencies)}
        await rows(
            transaction,
            _HEAD,
            version=version.id,
            dataset=version.dataset,
            created_at=version.created_at,
            **counts,
        )
        self.commit.begun = True
        return [row["id"] for row in gone]


def _relabel() -> Iterator[str]:
    """Yield what retires the graph that is shown, then what shows the staged one."""
    yield (
        "MATCH (n:Component) WHERE n.graph_version IS NOT NULL REMOVE"
        f" n:Component:{':'.join(LABELS.values())} SET n:AgentGuardRetired"
    )
    yield (
        "MATCH (n:Workflow) WHERE n.graph_version IS NOT NULL REMOVE n:Workflow SET"
        " n:AgentGuardRetired"
    )
    for kind, label in LABELS.items():
        staged = (
            "MATCH (n:AgentGuardStagedComponent) WHERE n.graph_version = $version AND n.type ="
            f" '{kind.value}'"
        )
        yield f"{staged} REMOVE n:AgentGuardStagedComponent SET n:Component:{label}"
    yield (
        "MATCH (n:AgentGuardStagedWorkflow) WHERE n.graph_version = $version REMOVE"
        " n:AgentGuardStagedWorkflow SET n:Workflow"
    )
