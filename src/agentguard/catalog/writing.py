"""A first catalogue from what was seen."""

from __future__ import annotations

from agentguard.graph.model import Graph


def catalog_text(graph: Graph) -> str:
    """Return YAML that declares every named agent and workflow of the graph, owners and values left open (null).

    read_catalog reads it back; every named agent then matches. Unidentified agents are left out: there is nothing to declare.
    """
    raise NotImplementedError
