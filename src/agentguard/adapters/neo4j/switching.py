"""Shows the staged graph in place of the one before, by a short transaction that changes labels.

Neo4j reads committed data, but a commit is not applied at one instant: a reader meanwhile meets
some nodes before and some after it. The transaction therefore ends by changing the one node
`NewestGraph`, whose lock it holds while it is applied. A reader that takes that lock first (`SET`
of a label that the node has: nothing changes) reads one graph, whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agentguard.adapters.neo4j.database import Transaction, rows
from agentguard.adapters.neo4j.drafts import ONE_WRITER, Draft
from agentguard.adapters.neo4j.errors import StagedGraphLostError
from agentguard.adapters.neo4j.moments import moment
from agentguard.graph.export.property_graph import LABELS

DATA_MODEL = 2
"""Grows when labels or properties change: a graph of another model is projected again."""

READ_WHOLE = "MATCH (newest:NewestGraph) SET newest:NewestGraph"
"""Wait until no graph is being replaced, and let none be replaced before this transaction ends."""

_TAKE = """
MATCH (v:AgentGuardStagedVersion {id: $version, writer: $writer})
WITH v, v.id AS id
DELETE v
RETURN id"""
_HEAD = f"""
MERGE (newest:NewestGraph)
SET newest = {{graph_version: $version, dataset: $dataset, created_at: {moment("$created_at")},
  components: $components, dependencies: $dependencies, data_model: $data_model}}"""
_NO_HEAD = "MATCH (newest:NewestGraph) DETACH DELETE newest"
_RETIRE_SHOWN = (
    (
        "MATCH (n:Component) WHERE n.graph_version IS NOT NULL REMOVE"
        f" n:Component:{':'.join(LABELS.values())} SET n:AgentGuardRetired"
    ),
    (
        "MATCH (n:Workflow) WHERE n.graph_version IS NOT NULL REMOVE n:Workflow"
        " SET n:AgentGuardRetired"
    ),
)


@dataclass(frozen=True, slots=True)
class Switch:
    """The transaction that shows a draft; raises StagedGraphLostError if it is gone."""

    draft: Draft

    async def __call__(self, transaction: Transaction) -> None:
        version, graph = self.draft.version, self.draft.version.graph
        await rows(transaction, ONE_WRITER)
        if not await rows(transaction, _TAKE, version=version.id, writer=self.draft.writer):
            raise StagedGraphLostError
        for statement in (*_RETIRE_SHOWN, *_show_staged()):
            await rows(transaction, statement, version=version.id)
        await rows(
            transaction,
            _HEAD,
            version=version.id,
            dataset=version.dataset,
            created_at=version.created_at,
            components=len(graph.components),
            dependencies=len(graph.dependencies),
            data_model=DATA_MODEL,
        )


async def show_nothing(transaction: Transaction) -> None:
    """Retire the graph that is shown."""
    for statement in (ONE_WRITER, *_RETIRE_SHOWN, _NO_HEAD):
        await rows(transaction, statement)


def _show_staged() -> Iterator[str]:
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
