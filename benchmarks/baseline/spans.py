"""OTLP protobuf bodies to spans: google.protobuf (upb) and a loop, one Python object a span."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from agentguard.ingest.facts import fact_of
from agentguard.ingest.values import kept, plain
from agentguard.ingest.wanted import Wanted

LATEST = 2**63 - 1


@dataclass(slots=True)
class Span:
    """One span, with what the dialects want to know of it."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str
    kind: int
    failed: bool
    start: int
    end: int
    resource: dict[str, Any]
    scope: str
    attributes: dict[str, Any]
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    links: tuple[bytes, ...]


def read(bodies: Iterable[bytes], wanted: Wanted) -> Iterator[Span]:
    """Yield every span that has ids."""
    sources = {fact.source.removeprefix("event:") for fact in wanted.facts if fact.source.startswith("event:")}
    for body in bodies:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _kept(group.resource.attributes, wanted.resource)
            for scoped in group.scope_spans:
                scope = str(kept(scoped.scope.name))
                for message in scoped.spans:
                    if _has_ids(message):
                        yield _span(message, resource, scope, wanted, sources)


def _has_ids(message: Message) -> bool:
    return len(message.trace_id) == 16 and len(message.span_id) == 8 and any(message.trace_id) and any(message.span_id)


def _span(message: Message, resource: dict[str, Any], scope: str, wanted: Wanted, sources: set[str]) -> Span:
    start, end = message.start_time_unix_nano, message.end_time_unix_nano
    start, end = (time if time <= LATEST else 0 for time in (start, end))
    span = Span(
        trace_id=message.trace_id,
        span_id=message.span_id,
        parent_id=message.parent_span_id if len(message.parent_span_id) == 8 else bytes(8),
        name=str(kept(message.name)),
        kind=message.kind if 0 <= message.kind <= 5 else 0,
        failed=message.status.code == Status.STATUS_CODE_ERROR,
        start=start,
        end=max(start, end),
        resource=resource,
        scope=scope,
        attributes={},
        input_tokens=0,
        output_tokens=0,
        cost_usd=None,
        links=tuple(link.trace_id + link.span_id for link in message.links if len(link.trace_id) == 16 and len(link.span_id) == 8),
    )
    content = _take_attributes(span, message, wanted)
    events = [(event.name, {pair.key: plain(pair.value) for pair in event.attributes}) for event in message.events]
    for name, attributes in events:
        if name in wanted.events:
            span.attributes |= {key: kept(attributes[key]) for key in wanted.events[name] & attributes.keys()}
            span.attributes[f"event:{name}"] = True
    if content or sources:
        _take_facts(span, content, events, wanted)
    return span


def _take_attributes(span: Span, message: Message, wanted: Wanted) -> dict[str, Any]:
    """Sort the attributes into numbers, labels and content; return the content."""
    content: dict[str, Any] = {}
    for pair in message.attributes:
        key = pair.key
        if key in wanted.input_tokens:
            span.input_tokens = max(span.input_tokens, _number(plain(pair.value)))
        elif key in wanted.output_tokens:
            span.output_tokens = max(span.output_tokens, _number(plain(pair.value)))
        elif key in wanted.cost:
            span.cost_usd = max(span.cost_usd or 0.0, float(plain(pair.value)))
        elif key in wanted.content:
            content[key] = plain(pair.value)
        elif key in wanted.labels or key in wanted.reductions:
            value = kept(plain(pair.value), wanted.reductions.get(key))
            if value is not None:
                span.attributes[key] = value
    return content


def _take_facts(span: Span, content: dict[str, Any], events: list[tuple[str, dict[str, Any]]], wanted: Wanted) -> None:
    attributes = dict(span.attributes)
    taken: set[str] = set()
    for fact in wanted.facts:
        if fact.into not in taken and fact.condition.holds(span.name, span.scope, span.kind, attributes):
            value = fact_of(fact, content, events)
            if value is not None:
                taken.add(fact.into)
                span.attributes[fact.into] = value


def _kept(pairs: RepeatedCompositeFieldContainer[Any], keys: frozenset[str]) -> dict[str, Any]:
    values = {pair.key: kept(plain(pair.value)) for pair in pairs if pair.key in keys}
    return {key: value for key, value in values.items() if value is not None}


def _number(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0
