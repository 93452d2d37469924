"""A graph as a Mermaid flowchart."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.export.labels import edge_label, label
from agentguard.graph.export.marks import NO_MARKS, Marks, clusters
from agentguard.graph.model import Component, Graph

_PLAIN = re.compile(r"[^\w .,:/×…-]")
_SHAPES = {
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
_STYLES = {
    "shadow": "stroke-dasharray:5 5",
    "spof": "stroke:#b91c1c,stroke-width:3px",
}


def mermaid(graph: Graph, marks: Marks = NO_MARKS) -> str:
    """Return the graph as a flowchart; services are subgraphs.

    Each node has its kind as a class. Shadow agents are dashed (class shadow), single points of
    failure have a thick red border (class spof); owners stand in the labels.
    """
    numbers = {c.id: f"n{i}" for i, c in enumerate(graph.components)}
    lines = ["flowchart LR"]
    for place, (service, components) in enumerate(clusters(graph.components).items()):
        nodes = [f"  {numbers[c.id]}{_node(c, marks)}" for c in components]
        lines += nodes if service is None else _subgraph(place, service, nodes)
    lines += [
        f'  {numbers[d.source]} -->|"{_text(edge_label(d))}"| {numbers[d.target]}'
        for d in graph.dependencies
        if d.source in numbers and d.target in numbers
    ]
    lines += _classes(graph.components, numbers, marks)
    return "\n".join([*lines, ""])


def _subgraph(place: int, service: str, nodes: list[str]) -> list[str]:
    title = f'  subgraph s{place}["{_text(label(service))}"]'
    return [title, *(f"  {node}" for node in nodes), "  end"]


def _node(c: Component, marks: Marks) -> str:
    opening, closing = _SHAPES[c.kind]
    text = ", ".join([label(c.name), *map(label, marks.notes(c))])
    return f'{opening}"{_text(text)}"{closing}'


def _classes(components: Iterable[Component], numbers: dict[str, str], marks: Marks) -> list[str]:
    members: dict[str, list[str]] = {}
    for c in components:
        found = (("shadow", marks.shadow(c)), ("spof", marks.spof(c)))
        for name in (c.kind.value, *(name for name, known in found if known)):
            members.setdefault(name, []).append(numbers[c.id])
    styles = [f"  classDef {name} {_STYLES[name]}" for name in members if name in _STYLES]
    return styles + [f"  class {','.join(nodes)} {name}" for name, nodes in members.items()]


def _text(text: str) -> str:
    """Return text in which all but plain words are numeric entities."""
    return _PLAIN.sub(lambda found: f"#{ord(found[0])};", text)
