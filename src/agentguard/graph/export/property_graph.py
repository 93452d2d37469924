"""The graph as a property graph: labels, relationships, properties.

Neo4j stores this model, and the Cypher export writes it.

    (:Component:Agent)-[:DEPENDS_ON]->(:Component:Tool)   from the caller to the callee
    (:Component)-[:FALLS_BACK_TO]->(:Component)           from the primary to the secondary
    (:Workflow)-[:STARTS_IN]->(:Component)                the root component of its runs
    (:Workflow)-[:FIRST_COMPONENT]->(:Component)          the entry: the first that does the work

Each table names the properties in order. Times are ISO 8601 (None: unknown), for `datetime()`; a
map cannot be a property, so `metadata` and `evidence` are JSON.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias, TypeVar

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.documents import evidence_document
from agentguard.graph.latency import Histogram, quantile
from agentguard.graph.model import Basis, Component, Dependency, Evidence, Fallback, Graph, Workflow
from agentguard.kernel.clock import milliseconds, timestamp
from agentguard.kernel.stable_json import stable_json

T = TypeVar("T")
Value: TypeAlias = str | int | float | bool | list[str] | None
Table: TypeAlias = Mapping[str, Callable[[T], Value]]
"""Property → function from an item to its value."""

LABELS: Mapping[ComponentKind, str] = {
    ComponentKind.AGENT: "Agent",
    ComponentKind.TOOL: "Tool",
    ComponentKind.MODEL: "Model",
    ComponentKind.MCP_SERVER: "McpServer",
    ComponentKind.DATASTORE: "Datastore",
    ComponentKind.QUEUE: "Queue",
    ComponentKind.SERVICE: "Service",
    ComponentKind.EXTERNAL: "External",
    ComponentKind.WORKFLOW: "EntryPoint",
}
"""Second label of each component. A `Workflow` node is no component: it counts runs."""

CONSTRAINT = "CREATE CONSTRAINT component_id IF NOT EXISTS FOR (c:Component) REQUIRE c.id IS UNIQUE"
INDEXES = (
    "CREATE INDEX agent_id IF NOT EXISTS FOR (a:Agent) ON (a.id)",
    "CREATE INDEX agent_name IF NOT EXISTS FOR (a:Agent) ON (a.name)",
    "CREATE INDEX workflow_id IF NOT EXISTS FOR (w:Workflow) ON (w.id)",
)

TIMES = frozenset({"first_seen", "last_seen", "timestamp"})
"""Properties that are times."""

COMPONENT: Table[Component] = {
    "id": lambda c: c.id,
    "name": lambda c: c.name,
    "type": lambda c: c.kind.value,
    "environment": lambda c: c.environment,
    "server": lambda c: c.server,
    "identified": lambda c: c.identified,
    "services": lambda c: list(c.services),
    "providers": lambda c: list(c.providers),
    "spellings": lambda c: list(c.spellings),
    "response_models": lambda c: list(c.response_models),
    "invocations": lambda c: c.invocations,
    "errors": lambda c: c.errors,
    "self_calls": lambda c: c.self_calls,
    "input_tokens": lambda c: c.input_tokens,
    "output_tokens": lambda c: c.output_tokens,
    "cached_input_tokens": lambda c: c.cached_input_tokens,
    "p50_ms": lambda c: _quantile(c.latency, 0.50),
    "p95_ms": lambda c: _quantile(c.latency, 0.95),
    "confidence": lambda c: c.basis.confidence,
    "first_seen": lambda c: timestamp(c.first_seen),
    "last_seen": lambda c: timestamp(c.last_seen),
    "metadata": lambda c: _json({"attributes": c.attributes} | _basis(c.basis)),
    "evidence": lambda c: _evidence(c.evidence),
}

FALLBACK: Table[Fallback] = {
    "owner": lambda f: f.owner,
    "fallback_mode": lambda f: f.fallback_mode.value,
    "count": lambda f: f.count,
    "rescued": lambda f: f.rescued,
    "evidence": lambda f: _evidence(f.evidence),
}

WORKFLOW: Table[Workflow] = {
    "id": lambda w: w.id,
    "name": lambda w: w.name,
    "entry": lambda w: w.entry,
    "root": lambda w: w.root or None,
    "runs": lambda w: w.runs,
    "failed": lambda w: w.failed,
    "stopped_by_guardrail": lambda w: w.stopped_by_guardrail,
    "waiting_for_person": lambda w: w.waiting_for_person,
    "nested_runs": lambda w: w.nested,
    "first_seen": lambda w: timestamp(w.first_seen),
    "last_seen": lambda w: timestamp(w.last_seen),
    "evidence": lambda w: _evidence(w.evidence),
}


def dependency_table(graph: Graph) -> Table[Dependency]:
    """Return the table of this graph's dependencies.

    `in_most_runs` and `fallbacks` depend on the rest of the graph.
    """
    invocations = {c.id: c.invocations for c in graph.components}
    covered = Counter((f.owner, f.primary) for f in graph.fallbacks if 2 * f.rescued >= f.count)
    return _DEPENDENCY | {
        "in_most_runs": lambda d: 2 * d.source_runs >= invocations.get(d.source, 0),
        "fallbacks": lambda d: covered[d.source, d.target],
    }


_DEPENDENCY: dict[str, Callable[[Dependency], Value]] = {
    "type": lambda d: d.type.value,
    "via": lambda d: d.via,
    "calls": lambda d: d.calls,
    "errors": lambda d: d.errors,
    "absorbed": lambda d: d.absorbed,
    "propagated": lambda d: d.propagated,
    "waited_calls": lambda d: d.waited_calls,
    "passed_control_calls": lambda d: d.passed_control_calls,
    "retries": lambda d: d.retries,
    "source_runs": lambda d: d.source_runs,
    "input_tokens": lambda d: d.input_tokens,
    "output_tokens": lambda d: d.output_tokens,
    "cached_input_tokens": lambda d: d.cached_input_tokens,
    "cost_usd": lambda d: d.cost_usd,
    "p50_ms": lambda d: _quantile(d.latency, 0.50),
    "p95_ms": lambda d: _quantile(d.latency, 0.95),
    "confidence": lambda d: d.basis.confidence,
    "first_seen": lambda d: timestamp(d.first_seen),
    "last_seen": lambda d: timestamp(d.last_seen),
    "metadata": lambda d: _json(_basis(d.basis)),
    "evidence": lambda d: _evidence(d.evidence),
}


def _quantile(latency: Histogram, q: float) -> float | None:
    found = quantile(latency, q)
    return None if found is None else milliseconds(found)


def _basis(basis: Basis) -> dict[str, object]:
    return {"rule": basis.rule, "convention": basis.convention, "observations": basis.observations}


def _evidence(evidence: Iterable[Evidence]) -> str:
    return _json([evidence_document(e) for e in evidence])


def _json(value: object) -> str:
    return stable_json(value).decode()
