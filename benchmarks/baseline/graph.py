"""The complete baseline: from bodies to a NetworkX graph."""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Iterable

import networkx as nx

from agentguard.discovery.dialects.loading import Dialects, Role
from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.discovery.naming import Identity, identity
from benchmarks.baseline.calls import Call, Link, calls_of
from benchmarks.baseline.roles import settle
from benchmarks.baseline.spans import Span, SpanReader
from benchmarks.baseline.trace import joined

SAMPLES = 3


def graph_of(bodies: Iterable[bytes], dialects: Dialects) -> nx.MultiDiGraph:
    """Return the graph of OTLP protobuf bodies.

    Nodes: component ids; edges: keyed by the dependency's type.
    """
    traces: dict[bytes, list[Span]] = defaultdict(list)
    hosts: set[str] = set()
    for span in SpanReader(dialects).read(bodies):
        traces[span.trace_id].append(span)
        if span.classification.role in (Role.AGENT, Role.DELEGATION) or span.classification.acting:
            hosts.add(span.classification.service)
    calls: list[Call] = []
    ends: dict[tuple[bytes, bytes], Call] = {}
    links: list[Link] = []
    targets = {link[16:] for spans in traces.values() for span in spans for link in span.links}
    for trace_id in list(traces):
        trace = joined(trace_id, traces.pop(trace_id))
        settle(trace, frozenset(hosts))
        found, its_ends, its_links = calls_of(trace, dialects)
        calls += found
        links += its_links
        ends |= {place: call for place, call in its_ends.items() if place[1] in targets}
    _follow(links, ends, calls)
    _recognise(calls)
    _name_models(calls)
    return _counted(calls)


def _words(raw: bytes) -> list[int]:
    return [int.from_bytes(raw[at : at + 8], "little") for at in range(0, len(raw), 8)]


def _follow(
    links: Iterable[Link], ends: dict[tuple[bytes, bytes], Call], calls: Iterable[Call]
) -> None:
    """Make linked calls the callers; links that form a cycle are removed."""
    linked = []
    for link in links:
        end = ends.get(link.to)
        if end is not None:
            link.call.source = end
            link.call.type = (
                DependencyType.MESSAGING if link.messaging else DependencyType.DELEGATES
            )
            linked.append(link.call)
    for call in sorted(linked, key=lambda c: (_words(c.trace_id), _words(c.span_id))):
        at, seen = call.source, {call}
        while at is not None and at not in seen:
            seen.add(at)
            at = at.source
        if at is call:
            call.source = call.type = None
    started = {call.trace_id for call in linked if call.source is not None}
    for call in calls:
        if call.trace_id in started:
            call.entry = None


def _recognise(calls: Iterable[Call]) -> None:
    """Replace each peer that has the name of a service by that service."""
    services = {
        call.component.id: call.component
        for call in calls
        if call.component.kind is ComponentKind.SERVICE
    }
    for call in calls:
        who = call.component
        if who.kind is ComponentKind.EXTERNAL and who.identified:
            service = identity(ComponentKind.SERVICE, who.name, environment=who.environment).id
            call.component = services.get(service, who)


def _name_models(calls: Iterable[Call]) -> None:
    """Name unnamed models.

    It is the only model that the run used, or its caller uses, or uses in traces without unnamed
    models.
    """
    models = [
        (call, call.source)
        for call in calls
        if call.component.kind is ComponentKind.MODEL and call.source is not None
    ]
    unnamed = [(call, source) for call, source in models if not call.component.identified]
    broken = {call.trace_id for call, _ in unnamed}
    who: dict[str, Identity] = {}
    used: dict[object, set[str]] = defaultdict(set)
    for call, source in models:
        model, caller = call.component.id, source.component.id
        if call.component.identified:
            who[model] = call.component
            used[source].add(model)
            used[caller].add(model)
            if call.trace_id not in broken:
                used[caller, "whole"].add(model)
    for call, source in unnamed:
        choices = (used[source], used[source.component.id], used[source.component.id, "whole"])
        found = next((known for known in choices if len(known) == 1), None)
        if found:
            call.component = who[min(found)]


def _counted(calls: list[Call]) -> nx.MultiDiGraph:
    graph = nx.MultiDiGraph()
    for call in calls:
        _count_component(graph, call)
    for call in calls:
        source = call.source
        if source is None or source.component.id == call.component.id:
            continue
        _count_dependency(graph, source.component.id, call)
    workflows: dict[str, Counter[str]] = defaultdict(Counter)
    for call in calls:
        if call.entry is not None:
            workflows[call.entry.id].update(runs=1, failed=int(call.failed))
    graph.graph["workflows"] = workflows
    for node in graph.nodes.values():
        names: Counter[str] = node.pop("names")
        node["name"] = min(names, key=lambda name: (-names[name], name))
    return graph


def _count_component(graph: nx.MultiDiGraph, call: Call) -> None:
    who = call.component
    if who.id not in graph:
        counts = dict.fromkeys(
            ("invocations", "errors", "self_calls", "input_tokens", "output_tokens", "duration"), 0
        )
        graph.add_node(who.id, kind=who.kind, names=Counter(), **counts)
    node = graph.nodes[who.id]
    node["names"][who.name] += 1
    node["invocations"] += call.ran
    node["errors"] += call.ran and call.failed
    node["self_calls"] += (
        call.ran and call.source is not None and call.source.component.id == who.id
    )
    node["input_tokens"] += call.input_tokens
    node["output_tokens"] += call.output_tokens
    node["duration"] += call.duration if call.ran else 0


def _count_dependency(graph: nx.MultiDiGraph, source: str, call: Call) -> None:
    target = call.component.id
    if not graph.has_edge(source, target, call.type):
        graph.add_edge(
            source,
            target,
            call.type,
            calls=0,
            errors=0,
            input_tokens=0,
            output_tokens=0,
            latency=Counter(),
            samples=[],
        )
    edge = graph.edges[source, target, call.type]
    edge["calls"] += 1
    edge["errors"] += call.failed
    edge["input_tokens"] += call.input_tokens
    edge["output_tokens"] += call.output_tokens
    edge["latency"][_bucket(call.duration)] += 1
    if len(edge["samples"]) < SAMPLES:
        edge["samples"].append(call.trace_id.hex())


def _bucket(duration: int) -> int:
    """Return the bucket as in graph.latency: exponent and two bits of the mantissa."""
    bits: int = struct.unpack("<q", struct.pack("<d", float(max(duration, 0))))[0]
    return bits >> 50
