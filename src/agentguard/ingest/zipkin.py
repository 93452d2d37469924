"""Zipkin v2 JSON (openzipkin/zipkin-api, zipkin2-api.yaml): a list of spans, a list of such lists, or one span."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from agentguard.ingest import tags as conventions
from agentguard.ingest.documents import KINDS, SpanDocument, attributes, mapping, nanoseconds, objects, text
from agentguard.ingest.pieces import DocumentPiece, Refusal

_LONG, _SHORT = 32, 16  # hex digits of a trace id, whole and cut to 64 bits


def pieces(value: object, origin: str) -> Iterator[DocumentPiece | Refusal]:
    """Yield one document with all spans, and a refusal for each span without ids.

    The halves of a shared span keep their one id; a half that is flagged `shared` and has no kind is the server's.
    The remote endpoint's name becomes peer.service. A trace id that one side cut to its lower 64 bits is made whole
    where the whole one is in the same document.
    """
    spans = list(_spans(value))
    whole = _whole_trace_ids(spans)
    document = SpanDocument()
    for n, span in enumerate(spans, 1):
        trace_id, span_id = text(span.get("traceId")), text(span.get("id"))
        if trace_id and span_id:
            tags = mapping(span.get("tags"))
            document.add(_resource(span), conventions.scope(tags), _span(span, whole.get(trace_id, trace_id)))
        else:
            yield Refusal(f"{origin}, span {n}", "span-without-ids", "A Zipkin span needs traceId and id.")
    yield DocumentPiece(origin, document.finished())


def _spans(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from (span for _, span in objects(item if isinstance(item, list) else [item]))


def _whole_trace_ids(spans: list[dict[str, Any]]) -> dict[str, str]:
    ids = sorted({text(span.get("traceId")) for span in spans})
    return {trace_id[_SHORT:]: trace_id for trace_id in ids if len(trace_id) == _LONG}


def _span(span: Mapping[str, Any], trace_id: str) -> dict[str, Any]:
    tags = mapping(span.get("tags"))
    start = nanoseconds(span.get("timestamp"))
    kind = conventions.kind(span.get("kind"))
    return {
        "traceId": trace_id,
        "spanId": text(span.get("id")),
        "parentSpanId": text(span.get("parentId")),
        "name": text(span.get("name")),
        "kind": kind or (KINDS["SERVER"] if span.get("shared") is True else 0),
        "startTimeUnixNano": start,
        "endTimeUnixNano": start + nanoseconds(span.get("duration")),
        "attributes": attributes(dict(chain(_remote(span).items(), conventions.attributes(tags).items()))),
        "status": conventions.status(tags, failed=_failed(tags)),
        "events": [_event(annotation) for _, annotation in objects(span.get("annotations"))],
    }


def _failed(tags: Mapping[str, object]) -> bool:
    """The mere presence of the tag `error` says so, an empty one too."""
    return "error" in tags and text(tags["error"]).casefold() != "false"


def _remote(span: Mapping[str, Any]) -> dict[str, object]:
    endpoint = mapping(span.get("remoteEndpoint"))
    found = {
        "peer.service": endpoint.get("serviceName"),
        "net.peer.ip": endpoint.get("ipv4") or endpoint.get("ipv6"),
        "net.peer.port": endpoint.get("port"),
    }
    return {key: value for key, value in found.items() if value}


def _resource(span: Mapping[str, Any]) -> dict[str, object]:
    service = text(mapping(span.get("localEndpoint")).get("serviceName"))
    return {"service.name": service} if service else {}


def _event(annotation: Mapping[str, Any]) -> dict[str, Any]:
    return {"timeUnixNano": nanoseconds(annotation.get("timestamp")), "name": text(annotation.get("value")), "attributes": []}
