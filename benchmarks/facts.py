"""The facts on which product and baseline must agree.

Components, dependencies and workflows of a graph, with their counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import networkx as nx

COMPONENT = ("kind", "name", "invocations", "errors", "self_calls", "input_tokens", "output_tokens")
DEPENDENCY = ("calls", "errors", "input_tokens", "output_tokens")
WORKFLOW = ("runs", "failed")


def of_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts in a scan's JSON document, or in a Graph as a dict."""
    return {
        "components": {c["id"]: _some(c, COMPONENT) for c in document["components"]},
        "dependencies": {
            _edge(d["source"], d["target"], d["type"]): _some(d, DEPENDENCY)
            for d in document["dependencies"]
        },
        "workflows": {w["id"]: _some(w, WORKFLOW) for w in document["workflows"]},
    }


def of_network(graph: nx.MultiDiGraph) -> dict[str, Any]:
    """Return the facts in the baseline's graph."""
    return {
        "components": {id_: _some(counts, COMPONENT) for id_, counts in graph.nodes.items()},
        "dependencies": {
            _edge(*ends): _some(counts, DEPENDENCY) for ends, counts in graph.edges.items()
        },
        "workflows": {
            id_: _some(counts, WORKFLOW) for id_, counts in graph.graph["workflows"].items()
        },
    }


def _edge(source: str, target: str, kind: str) -> str:
    return f"{source} -{kind}-> {target}"


def _some(counts: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: counts[key] for key in keys}
