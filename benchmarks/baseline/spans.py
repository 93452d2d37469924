"""OTLP protobuf bodies to spans: google.protobuf (upb) and a loop, one Python object a span."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from agentguard.discovery.reading import Reader, Reading
from agentguard.ingest.facts import fact_of
from agentguard.ingest.values import kept, plain
from agentguard.ingest.wanted import Wanted

LATEST = 2**63 - 1
Events: TypeAlias = list[tuple[str, dict[str, Any]]]


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
    input_tokens: int
    output_tokens: int
    links: tuple[bytes, ...]
    resource: str
    reading: Reading
    """What the dialects make of its name, scope, kind and attributes."""


def read(bodies: Iterable[bytes], wanted: Wanted, reader: Reader) -> Iterator[Span]:
    """Yield every span that has ids."""
    for body in bodies:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _json(_kept(group.resource.attributes, wanted.resource))
            for scoped in group.scope_spans:
                scope = str(kept(scoped.scope.name))
                for message in scoped.spans:
                    if _has_ids(message):
                        yield _span(message, resource, scope, wanted, reader)


def _has_ids(message: Message) -> bool:
    return len(message.trace_id) == 16 and len(message.span_id) == 8 and any(message.trace_id) and any(message.span_id)


def _span(message: Message, resource: str, scope: str, wanted: Wanted, reader: Reader) -> Span:
    start, end = message.start_time_unix_nano, message.end_time_unix_nano
    start, end = (time if time <= LATEST else 0 for time in (start, end))
    name = str(kept(message.name))
    kind = message.kind if 0 <= message.kind <= 5 else 0
    attributes, content, tokens = _sorted(message, wanted)
    events = [(event.name, {pair.key: plain(pair.value) for pair in event.attributes}) for event in message.events]
    for event, values in events:
        if event in wanted.events:
            attributes |= {key: kept(values[key]) for key in wanted.events[event] & values.keys()}
            attributes[f"event:{event}"] = True
    if content or events:
        attributes |= _facts(name, scope, kind, attributes, content, events, wanted)
    return Span(
        trace_id=message.trace_id,
        span_id=message.span_id,
        parent_id=message.parent_span_id if len(message.parent_span_id) == 8 else bytes(8),
        name=name,
        kind=kind,
        failed=message.status.code == Status.STATUS_CODE_ERROR,
        start=start,
        end=max(start, end),
        input_tokens=tokens[0],
        output_tokens=tokens[1],
        links=tuple(link.trace_id + link.span_id for link in message.links if len(link.trace_id) == 16 and len(link.span_id) == 8),
        resource=resource,
        reading=reader.one(name, scope, kind, _json(attributes), resource),
    )


def _sorted(message: Message, wanted: Wanted) -> tuple[dict[str, Any], dict[str, Any], tuple[int, int]]:
    """Return the attributes that are kept, the content that facts are read from, tokens in and out."""
    attributes: dict[str, Any] = {}
    content: dict[str, Any] = {}
    tokens_in = tokens_out = 0
    for pair in message.attributes:
        key = pair.key
        if key in wanted.input_tokens:
            tokens_in = max(tokens_in, _number(plain(pair.value)))
        elif key in wanted.output_tokens:
            tokens_out = max(tokens_out, _number(plain(pair.value)))
        elif key in wanted.content:
            content[key] = plain(pair.value)
        elif key in wanted.labels or key in wanted.reductions:
            value = kept(plain(pair.value), wanted.reductions.get(key))
            if value is not None:
                attributes[key] = value
    return attributes, content, (tokens_in, tokens_out)


def _facts(
    name: str, scope: str, kind: int, attributes: dict[str, Any], content: dict[str, Any], events: Events, wanted: Wanted
) -> dict[str, str]:
    """The first fact that yields a value wins, for each attribute that facts lead to."""
    taken: dict[str, str] = {}
    for fact in wanted.facts:
        if fact.into not in taken and fact.condition.holds(name, scope, kind, attributes):
            value = fact_of(fact, content, events)
            if value is not None:
                taken[fact.into] = value
    return taken


def _kept(pairs: RepeatedCompositeFieldContainer[Any], keys: frozenset[str]) -> dict[str, Any]:
    values = {pair.key: kept(plain(pair.value)) for pair in pairs if pair.key in keys}
    return {key: value for key, value in values.items() if value is not None}


def _json(values: dict[str, Any]) -> str:
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode()


def _number(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0
