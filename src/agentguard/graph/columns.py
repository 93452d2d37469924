"""The graph's document as columns: one list per member, for clients that draw thousands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentguard.graph.documents import Document

_ORIGIN = ("dataset", "graph_version", "created_at", "window")
_TOTALS = ("total_components", "total_dependencies", "total_agents")
_NOTES = ("shadow_note", "environments", "coverage", "broken_propagation")


def columns_document(graph: Document) -> Document:
    """Return the document of a graph with its findings as columns; see GraphColumnsDocument.

    Components are named by their position in the columns; what is not among them is left out of
    lists of positions. Much smaller than `graph`, which has the evidence too.
    """
    nodes, analysis = graph["nodes"], graph["analysis"]
    positions = {node["id"]: position for position, node in enumerate(nodes)}
    edges = [e for e in graph["edges"] if e["source"] in positions and e["target"] in positions]
    return {
        **{name: graph[name] for name in (*_ORIGIN, *_TOTALS, *_NOTES)},
        "overall_risk": analysis["overall_risk"],
        "risk_note": analysis["risk_note"],
        "components": _components(nodes, edges, analysis, _hosts(graph["runs_in"])),
        "dependencies": _dependencies(edges, positions),
        "cycles": [_positions(each["components"], positions) for each in analysis["cycles"]],
        "workflows": [_workflow(each, positions) for each in graph["workflows"]],
        "by_risk": _positions((each["id"] for each in analysis["risks"]), positions),
    }


def _components(
    nodes: Sequence[Document],
    edges: Sequence[Document],
    analysis: Document,
    hosts: Mapping[str, str],
) -> Mapping[str, list[Any]]:
    callers = Counter(edge["target"] for edge in edges)
    columns: dict[str, list[Any]] = {
        name: [node[name] for node in nodes]
        for name in ("id", "name", "kind", "environment", "shadow", "invocations", "errors")
    }
    return columns | {
        "service": [_service(node, hosts) for node in nodes],
        "owner": [(node["declared"] or {}).get("owner") for node in nodes],
        "callers": [callers[node["id"]] for node in nodes],
        **_findings(columns["id"], analysis),
    }


def _findings(ids: Sequence[str], analysis: Document) -> Mapping[str, list[Any]]:
    risks = {each["id"]: each for each in analysis["risks"]}
    lost = {each["id"]: len(each["workflows"]) for each in analysis["spofs"]}
    return {
        "risk": [risks[id_]["score"] if id_ in risks else None for id_ in ids],
        "reason": [_reason(risks.get(id_)) for id_ in ids],
        "spof_workflows": [lost.get(id_, 0) for id_ in ids],
    }


def _hosts(runs_in: Sequence[Document]) -> Mapping[str, str]:
    """Return the name of the host in which each component ran most often."""
    ordered = sorted(runs_in, key=lambda each: (each["runs"], each["host_name"]))
    return {each["component"]: each["host_name"] for each in ordered}


def _service(node: Document, hosts: Mapping[str, str]) -> str | None:
    return str(node["name"]) if node["kind"] == "service" else hosts.get(node["id"])


def _reason(risk: Document | None) -> str | None:
    """Return why a score is what it is: the reason of the factor that contributes most."""
    factors = risk["factors"] if risk else ()
    most = max(factors, key=lambda factor: factor["contribution"], default=None)
    return None if most is None else str(most["reason"])


def _dependencies(
    edges: Sequence[Document], positions: Mapping[str, int]
) -> Mapping[str, list[Any]]:
    return {
        "source": [positions[edge["source"]] for edge in edges],
        "target": [positions[edge["target"]] for edge in edges],
        **{name: [edge[name] for edge in edges] for name in ("type", "calls", "errors")},
        "p95_ms": [_p95(edge) for edge in edges],
    }


def _p95(edge: Document) -> float | None:
    latency = edge["client_latency_ms"] or edge["latency_ms"]
    return None if latency is None else float(latency["p95"])


def _workflow(workflow: Document, positions: Mapping[str, int]) -> Document:
    kept = {name: workflow[name] for name in ("id", "name", "runs", "failed")}
    return kept | {"entry": positions.get(workflow["entry"])}


def _positions(ids: Iterable[str], positions: Mapping[str, int]) -> list[int]:
    return [positions[id_] for id_ in ids if id_ in positions]
