"""A graph, and what the systems counted about themselves, in one form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Graph

COUNTED = (ComponentKind.AGENT, ComponentKind.TOOL, ComponentKind.MODEL, ComponentKind.DATASTORE)
"""Kinds of which the systems count the calls; between services, an agent's call is also an edge of
its own.
"""

Figures = dict[str, Any]


def references(
    graph: Graph, kinds: Iterable[ComponentKind] = tuple(ComponentKind)
) -> dict[str, str]:
    """Id → kind and name, as truth.yaml writes it."""
    return {
        component.id: f"{component.kind}:{component.name}"
        for component in graph.components
        if component.kind in set(kinds)
    }


def names(graph: Graph, kind: ComponentKind) -> list[str]:
    return sorted(component.name for component in graph.components if component.kind is kind)


def found_in(graph: Graph) -> Figures:
    """What the graph says of agents, tools, models, datastores, the calls between them, and the
    workflows.
    """
    called = references(graph, COUNTED)
    edges = [edge for edge in graph.dependencies if edge.source in called and edge.target in called]
    assert len({(edge.source, edge.target) for edge in edges}) == len(edges)
    return {
        "agents": {
            c.name: (c.invocations, c.errors)
            for c in graph.components
            if c.kind is ComponentKind.AGENT
        },
        "tools": names(graph, ComponentKind.TOOL),
        "models": {
            c.name: c.input_tokens + c.output_tokens
            for c in graph.components
            if c.kind is ComponentKind.MODEL
        },
        "datastores": names(graph, ComponentKind.DATASTORE),
        "edges": {
            (called[edge.source], called[edge.target]): (edge.calls, edge.errors) for edge in edges
        },
        "retries": {
            (called[edge.source], called[edge.target]): edge.retries
            for edge in edges
            if edge.retries
        },
        "fallbacks": {
            (called[f.owner], called[f.primary], called[f.secondary]): f.count
            for f in graph.fallbacks
        },
        "workflows": {
            workflow.name: (workflow.runs, workflow.failed) for workflow in graph.workflows
        },
        "spans": graph.coverage.spans,
    }


def counted_in(truth: dict[str, Any]) -> Figures:
    """The same from what the systems counted."""
    return {
        "agents": {agent["name"]: (agent["runs"], agent["failed"]) for agent in truth["agents"]},
        "tools": truth["tools"],
        "models": {model["name"]: model["tokens"] for model in truth["models"]},
        "datastores": truth["datastores"],
        "edges": {
            (edge["from"], edge["to"]): (edge["calls"], edge["errors"]) for edge in truth["edges"]
        },
        "retries": {
            (retry["caller"], retry["callee"]): retry["count"] for retry in truth["retries"]
        },
        "fallbacks": {
            (f["owner"], f["primary"], f["secondary"]): f["count"] for f in truth["fallbacks"]
        },
        "workflows": {flow["name"]: (flow["runs"], flow["failed"]) for flow in truth["workflows"]},
        "spans": truth["spans"],
    }
