"""Zipkin v2 JSON (openzipkin/zipkin-api, zipkin2-api.yaml): spans, lists of spans, or one span."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from agentguard.ingest.formats import tags as conventions
from agentguard.ingest.formats import zipkin_merge
from agentguard.ingest.formats.hex_ids import span_id, trace_id
from agentguard.ingest.formats.kinds import MalformedError, Shape, check
from agentguard.ingest.formats.otlp_documents import (
    KINDS,
    SpanDocument,
    attributes,
    mapping,
    nanoseconds,
    objects,
    text,
)
from agentguard.ingest.formats.zipkin_merge import Span
from agentguard.ingest.payloads import DocumentPayload, Refusal
from agentguard.ingest.rejections import WITHOUT_IDS

_SPAN: Shape = {"tags": {}, "annotations": [{}], "localEndpoint": {}, "remoteEndpoint": {}}


def payloads(value: object, origin: str) -> Iterator[DocumentPayload | Refusal]:
    """Yield one document with all spans, and a refusal for each unusable span.

    Partial reports of one span are merged, see zipkin_merge. Client and server halves of a shared
    span keep their common id. A `shared` half without a kind is the server's; a span without a kind
    but with both endpoints is the client's. The remote endpoint's name becomes peer.service. Ids
    are padded.
    """
    usable: list[Span] = []
    for found in spans(value, _SPAN, origin):
        if isinstance(found, Refusal):
            yield found
        else:
            usable.append(found)
    yield document(usable, origin)


def document(spans: Iterable[Span], origin: str) -> DocumentPayload:
    """Return spans with ids as one document."""
    found = SpanDocument()
    for trace in zipkin_merge.traces(spans):
        for span in _with_unique_ids(zipkin_merge.merged(trace)):
            found.add(_resource(span), conventions.scope(mapping(span.get("tags"))), _span(span))
    return DocumentPayload(origin, found.finished())


def spans(value: object, shape: Shape, origin: str) -> Iterator[Span | Refusal]:
    """Yield the spans of this shape with padded ids, from a span, a list or a list of lists.

    Everything else is refused.
    """
    for number, span in enumerate(_all_of(value), 1):
        try:
            check(span, shape, "A span")
            usable = _with_padded_ids(span)
        except MalformedError as error:
            yield error.refusal(f"{origin}, span {number}")
        else:
            yield usable


def _all_of(value: object) -> Iterator[Any]:
    """Yield the items; of a list whose first item is a list, the items of its lists."""
    listed = value if isinstance(value, list) else [value]
    nested = isinstance(next(iter(listed), None), list)
    for item in listed:
        yield from item if nested and isinstance(item, list) else [item if not nested else None]


def _with_padded_ids(span: Span) -> Span:
    ids = {
        "traceId": trace_id(span.get("traceId")),
        "id": span_id(span.get("id")),
        "parentId": span_id(span.get("parentId")),
    }
    if not (ids["traceId"] and ids["id"]):
        raise MalformedError("A Zipkin span needs traceId and id.", WITHOUT_IDS)
    return span | {key: value for key, value in ids.items() if value}


def _with_unique_ids(spans: Iterable[Span]) -> Iterator[Span]:
    """Assign a new id to repeated server halves of one id and service.

    They occur when a proxy retries or a message is delivered again.
    """
    seen: set[tuple[str, str]] = set()
    for span in spans:
        half = text(span.get("id")), _service(span)
        if span.get("shared") is not True or half not in seen:
            seen |= {half} if span.get("shared") is True else set()
            yield span
        else:
            endpoint = mapping(span.get("localEndpoint"))
            known = [
                half[0],
                *(endpoint.get(key) for key in ("serviceName", "ipv4", "ipv6", "port")),
                span.get("timestamp"),
            ]
            name = "/".join(map(text, known))
            yield span | {
                "id": hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).hexdigest(),
                "parentId": half[0],
            }


def _span(span: Mapping[str, Any]) -> dict[str, Any]:
    tags = mapping(span.get("tags"))
    start = nanoseconds(span.get("timestamp"))
    return {
        "traceId": text(span.get("traceId")),
        "spanId": text(span.get("id")),
        "parentSpanId": text(span.get("parentId")),
        "name": text(span.get("name")),
        "kind": conventions.kind(span.get("kind")) or _kind_by_endpoints(span),
        "startTimeUnixNano": start,
        "endTimeUnixNano": start + nanoseconds(span.get("duration")),
        "attributes": attributes(
            dict(chain(_remote(span).items(), conventions.attributes(tags).items()))
        ),
        "status": conventions.status(tags, failed=_failed(tags)),
        "events": [_event(annotation) for _, annotation in objects(span.get("annotations"))],
    }


def _kind_by_endpoints(span: Mapping[str, Any]) -> int:
    if span.get("shared") is True:
        return KINDS["SERVER"]
    return (
        KINDS["CLIENT"]
        if _service(span) and text(mapping(span.get("remoteEndpoint")).get("serviceName"))
        else 0
    )


def _failed(tags: Mapping[str, object]) -> bool:
    """Return whether the tag `error` is present, even if empty."""
    return "error" in tags and text(tags["error"]).casefold() != "false"


def _remote(span: Mapping[str, Any]) -> dict[str, object]:
    endpoint = mapping(span.get("remoteEndpoint"))
    found = {
        "peer.service": endpoint.get("serviceName"),
        "net.peer.ip": endpoint.get("ipv4") or endpoint.get("ipv6"),
        "net.peer.port": endpoint.get("port"),
    }
    return {key: value for key, value in found.items() if value}


def _service(span: Mapping[str, Any]) -> str:
    return text(mapping(span.get("localEndpoint")).get("serviceName"))


def _resource(span: Mapping[str, Any]) -> dict[str, object]:
    service = _service(span)
    return {"service.name": service} if service else {}


def _event(annotation: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "timeUnixNano": nanoseconds(annotation.get("timestamp")),
        "name": text(annotation.get("value")),
        "attributes": [],
    }
