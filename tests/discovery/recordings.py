"""The recordings under tests/data/traces, and what is true of them."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import yaml

from agentguard.discovery.dialects.loading import Dialects, load_dialects
from agentguard.graph.model import Dependency, Graph
from agentguard.ingest.payloads import DocumentPayload, Payload, ProtobufPayload
from agentguard.scan.pipeline import scan

FOLDER = Path(__file__).parents[1] / "data" / "traces"
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/truth.yaml"))

Node = tuple[str, str]
_NEUTRAL_TOOLS = {"agent_tool", "handoff_tool", "guardrail", "builtin"}
_UNSCORED_KINDS = {"service", "queue", "workflow", "external"}
_KINDS = {"mcp_server": "mcp"}


@cache
def dialects() -> Dialects:
    return load_dialects()


def lines(name: str) -> list[Payload]:
    """The recording as the Collector's file exporter writes it."""
    with gzip.open(FOLDER / name / "traces.jsonl.gz") as file:
        return [
            DocumentPayload(f"{name}:{number}", orjson.loads(line))
            for number, line in enumerate(file, 1)
        ]


def bodies(name: str) -> list[Payload]:
    """The recording's raw request bodies."""
    folder = FOLDER / name / "bodies"
    found: list[Payload] = []
    if not folder.exists():
        return found
    for line in (folder / "index.jsonl").read_text().splitlines():
        entry = json.loads(line)
        path = folder / entry["file"]
        if not path.exists():
            continue
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if entry.get("content_encoding") == "gzip" else raw
        found.append(
            ProtobufPayload(entry["file"], raw)
            if path.suffix == ".pb"
            else DocumentPayload(entry["file"], orjson.loads(raw))
        )
    return found


@cache
def graph(name: str) -> Graph:
    return scan(lines(name), dialects()).graph


def normalized(name: str) -> str:
    return re.sub(r"[\s_\-]+", " ", str(name)).strip().casefold()


def node(reference: str) -> Node:
    kind, _, name = reference.partition(":")
    return _KINDS.get(kind, kind), normalized(name)


@dataclass(frozen=True)
class Truth:
    """What truth.yaml says is there; neutral nodes may be shown or not."""

    nodes: frozenset[Node]
    neutral: frozenset[Node]
    edges: dict[tuple[Node, Node], tuple[int, int]]
    free: frozenset[tuple[Node, Node]]
    alias: dict[Node, Node]


@cache
def truth(name: str) -> Truth:
    raw: dict[str, Any] = yaml.safe_load((FOLDER / name / "truth.yaml").read_text())
    skip = raw.get("not_scored") or {}
    alias = {
        ("model", normalized(m["response_name"])): ("model", normalized(m["name"]))
        for m in raw.get("models") or []
        if m.get("response_name")
    }
    alias |= {
        node(other): node(one)
        for one, others in (skip.get("aliases") or {}).items()
        for other in others
    }
    alias |= {
        ("service", normalized(a["name"])): ("agent", normalized(a["name"]))
        for a in raw.get("agents") or []
        if normalized(a.get("service") or "") == normalized(a["name"])
    }  # an agent that only its service names
    tools = raw.get("tools") or []
    neutral = {
        ("tool", normalized(t["name"])) for t in tools if t.get("kind") in _NEUTRAL_TOOLS
    } | {node(n) for n in skip.get("nodes") or []}
    nodes = {("agent", normalized(a["name"])) for a in raw.get("agents") or []} | {
        ("tool", normalized(t["name"])) for t in tools
    }
    nodes |= {("model", normalized(m["name"])) for m in raw.get("models") or []} | {
        ("mcp", normalized(m["name"])) for m in raw.get("mcp_servers") or []
    }
    nodes |= {("datastore", normalized(d["name"])) for d in raw.get("datastores") or []}
    edges: dict[tuple[Node, Node], tuple[int, int]] = {}
    unscored = {tuple(map(node, edge.split(" -> "))) for edge in skip.get("edges") or []}
    free: set[tuple[Node, Node]] = set()
    for edge in raw.get("edges") or []:
        key = (node(edge["from"]), node(edge["to"]))
        if edge.get("via"):
            free |= {(key[0], node(str(edge["via"]))), (node(str(edge["via"])), key[1])}
        if (
            edge["kind"] in ("sequence", "starts")
            or key in unscored
            or "workflow" in (key[0][0], key[1][0])
            or neutral & set(key)
        ):
            free.add(key)
        else:
            calls, errors = edges.get(key, (0, 0))
            edges[key] = (calls + edge["calls"], errors + edge["errors"])
    return Truth(frozenset(nodes - neutral), frozenset(neutral), edges, frozenset(free), alias)


def found_nodes(name: str) -> set[Node]:
    """The graph's nodes in truth's terms, without those that truth does not ask for."""
    return found_nodes_of(name, graph(name))


def found_nodes_of(name: str, found: Graph) -> set[Node]:
    """The nodes of another graph of the recording in truth's terms."""
    known = truth(name)
    nodes = {known.alias.get(n, n) for n in _named(found).values()}
    return {n for n in nodes if n not in known.neutral and n[0] not in _UNSCORED_KINDS}


def found_edges(name: str) -> dict[tuple[Node, Node], list[Dependency]]:
    """The graph's edges in truth's terms, without those that touch what truth does not ask for."""
    known, names = truth(name), _named(graph(name))
    edges: dict[tuple[Node, Node], list[Dependency]] = {}
    for dependency in graph(name).dependencies:
        key = (
            known.alias.get(names[dependency.source], names[dependency.source]),
            known.alias.get(names[dependency.target], names[dependency.target]),
        )
        unscored = (
            any(n in known.neutral or n[0] in _UNSCORED_KINDS for n in key) or key in known.free
        )
        if key[0] != key[1] and (key in known.edges or not unscored):
            edges.setdefault(key, []).append(dependency)
    return edges


def _named(found: Graph) -> dict[str, Node]:
    return {c.id: (_KINDS.get(c.kind, str(c.kind)), normalized(c.name)) for c in found.components}
