"""Zipkin v2 JSON (openzipkin/zipkin-api, zipkin2-api.yaml): spans, lists of spans, or one span."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from agentguard.ingest.formats import tags as conventions
from agentguard.ingest.formats import zipkin_merge
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

WITHOUT_IDS = ("span-without-ids", "A Zipkin span needs traceId and id.")
"""Reason and message for a span without ids."""


def payloads(value: object, origin: str) -> Iterator[DocumentPayload | Refusal]:
    """Yield one document with all spans, and a refusal for each span without ids.

    Partial reports of one span are merged, see zipkin_merge. Client and server halves of a shared
    span keep their common id. A `shared` half without a kind is the server's; a span without a kind
    but with both endpoints is the client's. The remote endpoint's name becomes peer.service.
    """
    accepted: list[Span] = []
    for n, span in enumerate(spans(value), 1):
        if text(span.get("traceId")) and text(span.get("id")):
            accepted.append(span)
        else:
            yield Refusal(f"{origin}, span {n}", *WITHOUT_IDS)
    yield document(accepted, origin)


def document(spans: Iterable[Span], origin: str) -> DocumentPayload:
    """Return spans with ids as one document."""
    found = SpanDocument()
    for trace in zipkin_merge.traces(spans):
        for span in _with_unique_ids(zipkin_merge.merged(trace)):
            found.add(_resource(span), conventions.scope(mapping(span.get("tags"))), _span(span))
    return DocumentPayload(origin, found.finished())


def spans(value: object) -> Iterator[Span]:
    """Yield the spans of any of the three structures."""
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from (span for _, span in objects(item if isinstance(item, list) else [item]))


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
