"""A graph in Graphviz' DOT language."""

from __future__ import annotations

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.export.labels import edge_label, label
from agentguard.graph.export.marks import NO_MARKS, Marks, clusters
from agentguard.graph.export.sanitizing import printable
from agentguard.graph.model import Component, Dependency, Graph

_FLAGS = {True: '"true"', False: '"false"', None: None}
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


def dot(graph: Graph, marks: Marks = NO_MARKS) -> str:
    """Return the graph in DOT; arrows point from caller to callee, services are clusters.

    Shadow agents are dashed and single points of failure have a thick red border. Nodes carry the
    attributes kind, service, owner, shadow and spof, edges carry type.
    """
    lines = [
        "digraph agentguard {",
        "  rankdir=LR;",
        '  node [fontname="Helvetica", style="rounded"];',
        '  edge [fontname="Helvetica"];',
    ]
    for number, (service, components) in enumerate(clusters(graph.components).items()):
        nodes = [_node(c, marks) for c in components]
        lines += nodes if service is None else _cluster(number, service, nodes)
    lines += [_edge(d) for d in graph.dependencies]
    return "\n".join([*lines, "}", ""])


def _cluster(number: int, service: str, nodes: list[str]) -> list[str]:
    return [
        f"  subgraph cluster_{number} {{",
        f"    label={_text(label(service))};",
        *(f"  {node}" for node in nodes),
        "  }",
    ]


def _node(c: Component, marks: Marks) -> str:
    lines = [label(c.name), *map(label, marks.notes(c))]
    attributes = {
        "label": _joined(lines),
        "shape": _SHAPES[c.kind],
        "kind": _value(c.kind),
        "service": _value(", ".join(c.services)),
        "owner": _value(marks.owners.get(c.id)),
        "shadow": _FLAGS[marks.shadow(c)],
        "spof": _FLAGS[marks.spof(c)],
        "style": '"rounded,dashed"' if marks.shadow(c) else None,
        "color": '"#b91c1c"' if marks.spof(c) else None,
        "penwidth": "3" if marks.spof(c) else None,
    }
    return f"  {_id(c.id)} [{_list(attributes)}];"


def _edge(d: Dependency) -> str:
    attributes = {
        "label": _text(edge_label(d)),
        "type": _value(d.type),
        "color": '"#b91c1c"' if d.errors else None,
    }
    return f"  {_id(d.source)} -> {_id(d.target)} [{_list(attributes)}];"


def _list(attributes: dict[str, str | None]) -> str:
    return ", ".join(f"{name}={value}" for name, value in attributes.items() if value is not None)


def _id(component_id: str) -> str:
    """Return the id quoted, its own backslashes as escapes, so that two ids stay two."""
    return _quoted(printable(component_id.replace("\\", "\\u005c")))


def _joined(lines: list[str]) -> str:
    r"""Return lines of text as one label; only this writes the escape `\n`."""
    return '"' + "\\n".join(_text(line)[1:-1] for line in lines) + '"'


def _text(text: str) -> str:
    """Return text quoted; in labels `&` starts an entity."""
    return _quoted(printable(text).replace("&", "&amp;"))


def _value(text: str | None) -> str | None:
    return _quoted(printable(text)) if text else None


def _quoted(text: str) -> str:
    """Within double quotes only the quote and the backslash have a meaning."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
