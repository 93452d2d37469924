"""A graph as text for other programs: DOT, Mermaid, GraphML, Cypher.

Names come from telemetry, so from strangers: each writer quotes for its own language, and nothing
that a name holds can end a string, start a statement or reach a terminal as a control character.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import TypeAlias, TypeVar
from xml.sax.saxutils import escape

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.documents import milliseconds
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
from agentguard.graph.export.sanitizing import hidden, printable, shorten
from agentguard.graph.latency import quantile
from agentguard.graph.model import Component, Dependency, Graph

T = TypeVar("T")
Value: TypeAlias = str | int | float | bool

_LABEL_LIMIT = 60


class ExportFormat(StrEnum):
    """The languages that a graph can be written in, beside the JSON documents."""

    DOT = "dot"
    MERMAID = "mermaid"
    GRAPHML = "graphml"
    CYPHER = "cypher"


def export(graph: Graph, language: ExportFormat) -> str:
    """Return the graph in this language, ending in a line break."""
    return _WRITERS[language](graph)


def dot(graph: Graph) -> str:
    """Return the graph in Graphviz' DOT language.

    Arrows point from who depends to what it depends on.
    """
    lines = [
        "digraph agentguard {",
        "  rankdir=LR;",
        '  node [fontname="Helvetica", style="rounded"];',
        '  edge [fontname="Helvetica"];',
    ]
    lines += [
        f"  {_dot_id(c.id)} [label={_dot(_label(c.name))}, shape={_SHAPES[c.kind]},"
        f" kind={_dot(c.kind)}];"
        for c in graph.components
    ]
    lines += [
        f"  {_dot_id(d.source)} -> {_dot_id(d.target)} [{_dot_edge(d)}];"
        for d in graph.dependencies
    ]
    return "\n".join([*lines, "}", ""])


def mermaid(graph: Graph) -> str:
    """Return the graph as a Mermaid flowchart."""
    numbers = {c.id: f"n{i}" for i, c in enumerate(graph.components)}
    lines = ["flowchart LR"]
    lines += [f"  {numbers[c.id]}{_mermaid_node(c)}" for c in graph.components]
    lines += [
        f'  {numbers[d.source]} -->|"{_mermaid(_edge_label(d))}"| {numbers[d.target]}'
        for d in graph.dependencies
        if d.source in numbers and d.target in numbers
    ]
    return "\n".join([*lines, ""])


def graphml(graph: Graph) -> str:
    """Return the graph as GraphML, in ASCII.

    Characters that XML 1.0 cannot hold are written as escapes.
    """
    nodes = [(c.id, _component_values(c)) for c in graph.components]
    edges = [(d.source, d.target, _dependency_values(d)) for d in graph.dependencies]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
    ]
    lines += _graphml_keys("node", "n", (values for _, values in nodes))
    lines += _graphml_keys("edge", "e", (values for *_, values in edges))
    lines.append('  <graph id="agentguard" edgedefault="directed">')
    lines += [
        f'    <node id="{_xml(name)}">{_graphml_data("n", values)}</node>' for name, values in nodes
    ]
    lines += [
        f'    <edge id="e{i}" source="{_xml(source)}"'
        f' target="{_xml(target)}">{_graphml_data("e", values)}</edge>'
        for i, (source, target, values) in enumerate(edges)
    ]
    return "\n".join([*lines, "  </graph>", "</graphml>", ""])


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
        f"{_cypher_ends(w.root_component, w.entry)} MERGE (w:Workflow {{id: {_cypher(w.id)}}}) SET w +="
        f" {_cypher_map(WORKFLOW, w)} MERGE (w)-[:STARTS_IN]->(a) MERGE"
        " (w)-[:FIRST_COMPONENT]->(b);"
        for w in graph.workflows
    ]
    return "\n".join([*lines, ""])


_WRITERS: Mapping[ExportFormat, Callable[[Graph], str]] = {
    ExportFormat.DOT: dot,
    ExportFormat.MERMAID: mermaid,
    ExportFormat.GRAPHML: graphml,
    ExportFormat.CYPHER: cypher,
}


def _component_values(c: Component) -> dict[str, Value]:
    values: dict[str, Value | None] = {
        "name": c.name,
        "kind": c.kind.value,
        "environment": c.environment,
        "server": c.server,
        "invocations": c.invocations,
        "errors": c.errors,
        "confidence": c.basis.confidence,
    }
    return {key: value for key, value in values.items() if value is not None}


def _dependency_values(d: Dependency) -> dict[str, Value]:
    p95 = quantile(d.latency, 0.95)
    values: dict[str, Value | None] = {
        "type": d.type.value,
        "via": d.via,
        "calls": d.calls,
        "errors": d.errors,
        "absorbed": d.absorbed,
        "propagated": d.propagated,
        "p95_ms": None if p95 is None else milliseconds(p95),
        "confidence": d.basis.confidence,
    }
    return {key: value for key, value in values.items() if value is not None}


def _label(name: str) -> str:
    return shorten(printable(name), _LABEL_LIMIT)


def _edge_label(d: Dependency) -> str:
    calls = f"{d.type.value} ×{d.calls}"
    return f"{calls}, {d.errors} failed" if d.errors else calls


# DOT: inside double quotes only the quote and the backslash mean something; in labels `&` starts an
# entity.

_DOT_FAILED = ', color="#b91c1c"'
_SHAPES = {
    ComponentKind.AGENT: "box",
    ComponentKind.TOOL: "component",
    ComponentKind.MODEL: "hexagon",
    ComponentKind.MCP_SERVER: "box3d",
    ComponentKind.DATASTORE: "cylinder",
    ComponentKind.QUEUE: "cds",
    ComponentKind.SERVICE: "ellipse",
    ComponentKind.EXTERNAL: "oval",
    ComponentKind.WORKFLOW: "doubleoctagon",
}


def _dot_id(component_id: str) -> str:
    """Return the id quoted, with its own backslashes as escapes too, so that two ids never become
    one.
    """
    return _dot_quoted(printable(component_id.replace("\\", "\\u005c")))


def _dot_edge(d: Dependency) -> str:
    return f"label={_dot(_edge_label(d))}, type={_dot(d.type)}" + (_DOT_FAILED if d.errors else "")


def _dot(text: str) -> str:
    return _dot_quoted(text.replace("&", "&amp;"))


def _dot_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


# Mermaid: everything but plain words goes in as a numeric entity.

_MERMAID_PLAIN = re.compile(r"[^\w .,:/×…-]")
_MERMAID_SHAPES = {
    ComponentKind.AGENT: ("[", "]"),
    ComponentKind.TOOL: ("[[", "]]"),
    ComponentKind.MODEL: ("{{", "}}"),
    ComponentKind.MCP_SERVER: ("[[", "]]"),
    ComponentKind.DATASTORE: ("[(", ")]"),
    ComponentKind.QUEUE: (">", "]"),
    ComponentKind.SERVICE: ("(", ")"),
    ComponentKind.EXTERNAL: ("([", "])"),
    ComponentKind.WORKFLOW: ("((", "))"),
}


def _mermaid_node(c: Component) -> str:
    opening, closing = _MERMAID_SHAPES[c.kind]
    return f'{opening}"{_mermaid(_label(c.name))}"{closing}'


def _mermaid(text: str) -> str:
    return _MERMAID_PLAIN.sub(lambda found: f"#{ord(found[0])};", text)


# GraphML: XML 1.0.

_XML_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_XML_SPECIAL = {'"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;", "\x7f": "&#127;"}
_XML_TYPES: Mapping[type, str] = {str: "string", int: "long", float: "double", bool: "boolean"}


def _graphml_keys(domain: str, prefix: str, rows: Iterable[Mapping[str, Value]]) -> list[str]:
    types = {key: _XML_TYPES[type(value)] for values in rows for key, value in values.items()}
    return [
        f'  <key id="{prefix}_{key}" for="{domain}" attr.name="{key}" attr.type="{kind}"/>'
        for key, kind in sorted(types.items())
    ]


def _graphml_data(prefix: str, values: Mapping[str, Value]) -> str:
    return "".join(
        f'<data key="{prefix}_{key}">{_xml(str(value))}</data>' for key, value in values.items()
    )


def _xml(text: str) -> str:
    legal = _XML_ILLEGAL.sub(lambda found: printable(found[0]), text)
    return escape(legal, _XML_SPECIAL).encode("ascii", "xmlcharrefreplace").decode("ascii")


# Cypher.


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
