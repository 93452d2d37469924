"""OTLP protobuf bodies to spans: google.protobuf (upb) and one Python object per span."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeAlias

import orjson
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from agentguard.discovery.classification import Classification, Classifier
from agentguard.discovery.dialects.loading import Dialects
from agentguard.ingest.facts import extract_fact
from agentguard.ingest.values import kept, plain

LATEST = 2**63 - 1
NO_PARENT = bytes(8)
Events: TypeAlias = list[tuple[str, dict[str, Any]]]


class Use(Enum):
    """The purpose of an attribute."""

    TOKENS_IN = auto()
    TOKENS_OUT = auto()
    CONTENT = auto()
    LABEL = auto()


@dataclass(slots=True)
class Span:
    """One span with the attributes that the dialects select."""

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
    classification: Classification
    """Result of the dialect rules for its name, scope, kind and attributes."""


class SpanReader:
    """Reads bodies with one dialect table; caches the cleaned form of each text."""

    def __init__(self, dialects: Dialects) -> None:
        wanted = dialects.wanted
        self._wanted = wanted
        self._reader = Classifier(dialects)
        uses = [
            (wanted.input_tokens, Use.TOKENS_IN),
            (wanted.output_tokens, Use.TOKENS_OUT),
            (wanted.content, Use.CONTENT),
        ]
        self._uses = dict.fromkeys(wanted.labels | wanted.reductions.keys(), Use.LABEL) | {
            k: use for keys, use in uses for k in keys
        }
        self._sources = {
            fact.source.removeprefix("event:").partition("/")[0] for fact in wanted.facts
        }
        self._texts: dict[tuple[str, str], Any] = {}

    def read(self, bodies: Iterable[bytes]) -> Iterator[Span]:
        """Yield every span with valid ids."""
        for body in bodies:
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                resource = _json(_kept(group.resource.attributes, self._wanted.resource))
                for scoped in group.scope_spans:
                    scope = str(kept(scoped.scope.name))
                    for message in scoped.spans:
                        if _has_ids(message):
                            yield self._span(message, resource, scope)

    def _span(self, message: Message, resource: str, scope: str) -> Span:
        start, end = message.start_time_unix_nano, message.end_time_unix_nano
        start, end = start if start <= LATEST else 0, end if end <= LATEST else 0
        name, parent = self._label("", message.name), message.parent_span_id
        kind = message.kind if 0 <= message.kind <= 5 else 0
        attributes, content, tokens_in, tokens_out = self._sorted(message)
        events = self._events(message, attributes) if message.events else []
        if content or events:
            attributes |= self._facts(name, scope, kind, attributes, content, events)
        links = [
            link.trace_id + link.span_id
            for link in message.links
            if len(link.trace_id) == 16 and len(link.span_id) == 8
        ]
        return Span(
            trace_id=message.trace_id,
            span_id=message.span_id,
            parent_id=parent if len(parent) == 8 else NO_PARENT,
            name=name,
            kind=kind,
            failed=message.status.code == Status.STATUS_CODE_ERROR,
            start=start,
            end=max(start, end),
            input_tokens=tokens_in,
            output_tokens=tokens_out,
            links=tuple(links),
            resource=resource,
            classification=self._reader.classify_shape(
                name, scope, kind, _json(attributes), resource
            ),
        )

    def _sorted(self, message: Message) -> tuple[dict[str, Any], dict[str, Any], int, int]:
        """Return the kept attributes, content that facts are read from, input and output tokens."""
        attributes: dict[str, Any] = {}
        content: dict[str, Any] = {}
        tokens_in = tokens_out = 0
        for pair in message.attributes:
            key = pair.key
            use = self._uses.get(key)
            if use is None:
                continue
            value = pair.value.string_value or plain(pair.value)
            if use is Use.TOKENS_IN:
                tokens_in = max(tokens_in, _number(value))
            elif use is Use.TOKENS_OUT:
                tokens_out = max(tokens_out, _number(value))
            elif use is Use.CONTENT:
                content[key] = value
            else:
                keep = (
                    self._label(key, value)
                    if isinstance(value, str)
                    else kept(value, self._wanted.reductions.get(key))
                )
                if keep is not None:
                    attributes[key] = keep
        return attributes, content, tokens_in, tokens_out

    def _label(self, key: str, text: str) -> Any:
        label = self._texts.get((key, text))
        if label is None:
            label = self._texts[key, text] = kept(text, self._wanted.reductions.get(key))
        return label

    def _events(self, message: Message, attributes: dict[str, Any]) -> Events:
        """Return the events that facts are read from.

        Kept attributes of any event are added to the span's attributes.
        """
        found: Events = []
        for event in message.events:
            wanted = self._wanted.events.get(event.name)
            if wanted is None and event.name not in self._sources:
                continue
            values = {pair.key: plain(pair.value) for pair in event.attributes}
            found.append((event.name, values))
            if wanted is not None:
                attributes |= {key: kept(values[key]) for key in wanted & values.keys()}
                attributes[f"event:{event.name}"] = True
        return found

    def _facts(
        self,
        name: str,
        scope: str,
        kind: int,
        attributes: dict[str, Any],
        content: dict[str, Any],
        events: Events,
    ) -> dict[str, str]:
        """Return the attributes set by facts; for each, the first fact with a value wins."""
        taken: dict[str, str] = {}
        for fact in self._wanted.facts:
            if fact.into not in taken and fact.condition.holds(name, scope, kind, attributes):
                value = extract_fact(fact, content, events)
                if value is not None:
                    taken[fact.into] = value
        return taken


def _has_ids(message: Message) -> bool:
    trace, span = message.trace_id, message.span_id
    return (
        len(trace) == 16
        and len(span) == 8
        and trace.strip(b"\0") != b""
        and span.strip(b"\0") != b""
    )


def _kept(pairs: RepeatedCompositeFieldContainer[Any], keys: frozenset[str]) -> dict[str, Any]:
    values = {pair.key: kept(plain(pair.value)) for pair in pairs if pair.key in keys}
    return {key: value for key, value in values.items() if value is not None}


def _json(values: dict[str, Any]) -> str:
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode()


def _number(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0
