"""The cases under tests/data/linker, and a graph told in their words.

Who calls whom, how often, with how many errors.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from agentguard.discovery.dialects.loading import Dialects, load_dialects
from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.model import Graph
from agentguard.ingest.payloads import Payload, Refusal
from agentguard.ingest.sources import read_upload
from agentguard.scan.pipeline import Scan, scan
from agentguard.traces.window import TimeWindow, time_window

FOLDER = Path(__file__).parents[1] / "data" / "linker"

Case: TypeAlias = Mapping[str, Any]
Edge: TypeAlias = tuple[str, str, int, int, str]
"""Parent, child, calls, errors, and `async` or nothing."""


@cache
def cases() -> tuple[Case, ...]:
    """Zipkin's cases, then the service graph's."""
    files = ("cases.jsonl", "servicegraph_cases.jsonl")
    return tuple(
        json.loads(line)
        for file in files
        for line in FOLDER.joinpath(file).read_text().splitlines()
    )


@cache
def dialects() -> Dialects:
    return load_dialects()


def payloads(documents: Iterable[object]) -> Iterable[Payload | Refusal]:
    """What is read of documents that come one after the other."""
    for number, document in enumerate(documents, 1):
        yield from read_upload(json.dumps(document).encode(), f"delivery {number}")


def scanned(documents: Iterable[object], *, window: TimeWindow | None = None) -> Scan:
    return scan(payloads(documents), dialects(), window=window)


def wanted(edges: Iterable[Mapping[str, Any]], *, without: Iterable[str] = ()) -> set[Edge]:
    """The edges of a case, without those that touch optional nodes."""
    optional = set(without)
    found = {(e["parent"], e["child"], e["calls"], e["errors"], e.get("kind", "")) for e in edges}
    return {edge for edge in found if not optional & {edge[0], edge[1]}}


def edges(graph: Graph, *, without: Iterable[str] = ()) -> set[Edge]:
    """The graph's edges by names, self calls as parent = child; what workflows start is not told.

    A message is `async` where it goes from one component to another; the way over a broker is told
    as two calls.
    """
    optional = set(without)
    components = {c.id: c for c in graph.components}
    calls: Counter[tuple[str, str, str]] = Counter()
    errors: Counter[tuple[str, str, str]] = Counter()
    for d in graph.dependencies:
        source, target = components[d.source], components[d.target]
        if ComponentKind.WORKFLOW in (source.kind, target.kind):
            continue
        over_broker = ComponentKind.QUEUE in (source.kind, target.kind)
        key = (
            source.name,
            target.name,
            "async" if d.type is DependencyType.MESSAGING and not over_broker else "",
        )
        calls[key] += d.calls
        errors[key] += d.errors
    for component in graph.components:
        if component.self_calls:
            calls[component.name, component.name, ""] += component.self_calls
    return {
        (a, b, n, errors[a, b, kind], kind)
        for (a, b, kind), n in calls.items()
        if not optional & {a, b}
    }


def window_of(query: Mapping[str, Any]) -> TimeWindow:
    """The window that Zipkin's two numbers ask for."""
    until = query["end_ms"] * 1_000_000
    return time_window(until=until, lookback=query["lookback_ms"] * 1_000_000)
