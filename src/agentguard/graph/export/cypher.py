"""A graph as Cypher statements."""

from __future__ import annotations

from typing import TypeVar

from agentguard.graph.export.property_graph import (
    COMPONENT,
    CONSTRAINT,
    FALLBACK,
    INDEXES,
    LABELS,
    TIMES,
    WORKFLOW,
    Table,
    dependency_table,
)
from agentguard.graph.export.property_graph import Value as Property
from agentguard.graph.export.sanitizing import hidden
from agentguard.graph.model import Graph

T = TypeVar("T")


def cypher(graph: Graph) -> str:
    """Return statements that write the graph into Neo4j as our own store does.

    Running them twice changes nothing.
    """
    dependency = dependency_table(graph)
    lines = [f"{statement};" for statement in (CONSTRAINT, *INDEXES)]
    lines += [
        f"MERGE (c:Component {{id: {_cypher(c.id)}}}) SET c:{LABELS[c.kind]}, c +="
        f" {_cypher_map(COMPONENT, c)};"
        for c in graph.components
    ]
    lines += [
        f"{_cypher_ends(d.source, d.target)} MERGE (a)-[d:DEPENDS_ON {{type:"
        f" {_cypher(d.type.value)}}}]->(b) SET d += {_cypher_map(dependency, d)};"
        for d in graph.dependencies
    ]
    lines += [
        f"{_cypher_ends(f.primary, f.secondary)} MERGE (a)-[f:FALLS_BACK_TO {{owner:"
        f" {_cypher(f.owner)}, fallback_mode: {_cypher(f.fallback_mode.value)}}}]->(b) SET f +="
        f" {_cypher_map(FALLBACK, f)};"
        for f in graph.fallbacks
    ]
    lines += [
        f"{_cypher_ends(w.root_component, w.entry)} MERGE (w:Workflow {{id: {_cypher(w.id)}}})"
        f" SET w += {_cypher_map(WORKFLOW, w)} MERGE (w)-[:STARTS_IN]->(a)"
        " MERGE (w)-[:FIRST_COMPONENT]->(b);"
        for w in graph.workflows
    ]
    return "\n".join([*lines, ""])


def _cypher_ends(source: str, target: str) -> str:
    return f"MATCH (a:Component {{id: {_cypher(source)}}}), (b:Component {{id: {_cypher(target)}}})"


def _cypher(value: Property) -> str:
    r"""Return a literal.

    A reader may turn `\uXXXX` into its character before it looks for escapes, so `\` and `u` are
    kept apart.
    """
    if isinstance(value, list):
        return "[" + ", ".join(map(_cypher, value)) + "]"
    if not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else repr(value)
    quoted = value.replace("\\", "\\\\").replace("'", "\\'").replace("\\\\u", "\\\\' + 'u")
    return "'" + "".join(_cypher_char(c) for c in quoted) + "'"


def _cypher_char(char: str) -> str:
    if not hidden(char):
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


def _cypher_map(table: Table[T], item: T) -> str:
    values = {name: value(item) for name, value in table.items()}
    return (
        "{"
        + ", ".join(
            f"{name}: {_cypher_property(name, value)}"
            for name, value in values.items()
            if value is not None
        )
        + "}"
    )


def _cypher_property(name: str, value: Property) -> str:
    return f"datetime({_cypher(value)})" if name in TIMES else _cypher(value)
