"""A graph as GraphML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias
from xml.sax.saxutils import escape

from agentguard.graph.export.marks import NO_MARKS, Marks, service_of
from agentguard.graph.export.sanitizing import printable
from agentguard.graph.latency import quantile
from agentguard.graph.model import Component, Dependency, Graph
from agentguard.kernel.clock import milliseconds

Value: TypeAlias = str | int | float | bool

_XML_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_XML_SPECIAL = {'"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;", "\x7f": "&#127;"}
_XML_TYPES: Mapping[type, str] = {str: "string", int: "long", float: "double", bool: "boolean"}


def graphml(graph: Graph, marks: Marks = NO_MARKS) -> str:
    """Return the graph as GraphML, in ASCII.

    Characters that XML 1.0 cannot hold are written as escapes. `service` is the one service that a
    component runs in, so that programs can group by it; `services` lists all.
    """
    nodes = [(c.id, _component_values(c, marks)) for c in graph.components]
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


def _component_values(c: Component, marks: Marks) -> dict[str, Value]:
    values: dict[str, Value | None] = {
        "name": c.name,
        "kind": c.kind.value,
        "environment": c.environment,
        "server": c.server,
        "service": service_of(c),
        "services": ", ".join(c.services) or None,
        "owner": marks.owners.get(c.id),
        "shadow": marks.shadow(c),
        "spof": marks.spof(c),
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


def _graphml_keys(domain: str, prefix: str, rows: Iterable[Mapping[str, Value]]) -> list[str]:
    types = {key: _XML_TYPES[type(value)] for values in rows for key, value in values.items()}
    return [
        f'  <key id="{prefix}_{key}" for="{domain}" attr.name="{key}" attr.type="{kind}"/>'
        for key, kind in sorted(types.items())
    ]


def _graphml_data(prefix: str, values: Mapping[str, Value]) -> str:
    return "".join(
        f'<data key="{prefix}_{key}">{_xml(_written(value))}</data>'
        for key, value in values.items()
    )


def _written(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _xml(text: str) -> str:
    legal = _XML_ILLEGAL.sub(lambda found: printable(found[0]), text)
    return escape(legal, _XML_SPECIAL).encode("ascii", "xmlcharrefreplace").decode("ascii")
