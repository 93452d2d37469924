"""A graph as text for other programs: DOT, Mermaid, GraphML, Cypher.

Names come from telemetry, so from strangers: each writer quotes for its own language, and nothing
that a name holds can end a string, start a statement or reach a terminal as a control character.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from agentguard.graph.export.cypher import cypher
from agentguard.graph.export.dot import dot
from agentguard.graph.export.graphml import graphml
from agentguard.graph.export.marks import NO_MARKS, Marks
from agentguard.graph.export.mermaid import mermaid
from agentguard.graph.model import Graph


class ExportFormat(StrEnum):
    """The languages that a graph can be written in, beside the JSON documents."""

    DOT = "dot"
    MERMAID = "mermaid"
    GRAPHML = "graphml"
    CYPHER = "cypher"


MEDIA_TYPES: Mapping[ExportFormat, str] = {
    ExportFormat.DOT: "text/vnd.graphviz",
    ExportFormat.MERMAID: "application/vnd.mermaid",
    ExportFormat.GRAPHML: "application/graphml+xml",
    ExportFormat.CYPHER: "application/x-cypher-query",
}
"""The first two are registered with IANA; the others are what programs use, unregistered."""


def export(graph: Graph, language: ExportFormat, marks: Marks = NO_MARKS) -> str:
    """Return the graph in this language, ending in a line break.

    Cypher has no marks: who writes a graph into Neo4j adds each component's standing.
    """
    match language:
        case ExportFormat.DOT:
            return dot(graph, marks)
        case ExportFormat.MERMAID:
            return mermaid(graph, marks)
        case ExportFormat.GRAPHML:
            return graphml(graph, marks)
        case ExportFormat.CYPHER:
            return cypher(graph)
