"""Jaeger JSON from the query service or the UI: `{"data": [trace, …]}`, or one trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agentguard.ingest.formats import tags as conventions
from agentguard.ingest.formats.otlp_documents import (
    SpanDocument,
    attributes,
    mapping,
    nanoseconds,
    objects,
    text,
)
from agentguard.ingest.payloads import DocumentPayload, Refusal


def payloads(value: object, origin: str) -> Iterator[DocumentPayload | Refusal]:
    """Yield one document per trace, and a refusal for each span without ids.

    CHILD_OF within the trace is the parent, else FOLLOWS_FROM; other references become links.
    Complete ancestors embedded in references are not spans of their own.
    """
    for number, trace in objects(traces(value)):
        document = SpanDocument()
        for n, span in objects(trace.get("spans")):
            converted = _span(span, text(span.get("traceID") or trace.get("traceID")))
            if converted["traceId"] and converted["spanId"]:
                tags = tag_values(span.get("tags"))
                document.add(_resource(span, trace), conventions.scope(tags), converted)
            else:
                yield Refusal(
                    f"{origin}, trace {number}, span {n}",
                    "span-without-ids",
                    "A Jaeger span needs traceID and spanID.",
                )
        yield DocumentPayload(origin, document.finished())


def traces(value: object) -> object:
    """Return the list of traces from any of the envelopes."""
    if isinstance(value, dict):
        return value.get("data", [value])
    return value


def tag_values(tags: object) -> dict[str, object]:
    """Return Jaeger tags `[{key, type, value}]` as a mapping, with numbers in text parsed."""
    return {text(tag.get("key")): _tag_value(tag) for _, tag in objects(tags)}


def _tag_value(tag: Mapping[str, Any]) -> object:
    value = tag.get("value")
    try:
        match tag.get("type"), value:
            case "int64", str():
                return int(value)
            case "float64", str():
                return float(value)
            case "bool", str():
                return value == "true"
    except ValueError:
        return value
    return value


def _span(span: Mapping[str, Any], trace_id: str) -> dict[str, Any]:
    tags = tag_values(span.get("tags"))
    start = nanoseconds(span.get("startTime"))
    parent, links = _references(span, trace_id)
    return {
        "traceId": trace_id,
        "spanId": text(span.get("spanID")),
        "parentSpanId": parent,
        "name": text(span.get("operationName")),
        "kind": conventions.kind(tags.get("span.kind")),
        "startTimeUnixNano": start,
        "endTimeUnixNano": start + nanoseconds(span.get("duration")),
        "attributes": attributes(conventions.attributes(tags)),
        "status": conventions.status(tags, failed=_failed(tags.get("error"))),
        "events": [_event(log) for _, log in objects(span.get("logs"))],
        "links": links,
    }


def _failed(error: object) -> bool:
    return text(error).casefold() not in ("", "false")


def _references(span: Mapping[str, Any], trace_id: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the parent's id and the links."""
    raw = [r for _, r in objects(span.get("references"))]
    references = [
        (text(r.get("refType")), text(r.get("traceID")) or trace_id, text(r.get("spanID")))
        for r in raw
    ]
    here = [r for r in references if r[1] == trace_id and r[2]]
    parent = next((r for r in here if r[0] != "FOLLOWS_FROM"), here[0] if here else None)
    links = [{"traceId": r[1], "spanId": r[2]} for r in references if r is not parent]
    return parent[2] if parent else text(span.get("parentSpanID")), links


def _event(log: Mapping[str, Any]) -> dict[str, Any]:
    fields = tag_values(log.get("fields"))
    name = text(fields.pop("event", None) or fields.get("message"))
    return {
        "timeUnixNano": nanoseconds(log.get("timestamp")),
        "name": name,
        "attributes": attributes(fields),
    }


def _resource(span: Mapping[str, Any], trace: Mapping[str, Any]) -> dict[str, object]:
    named = mapping(trace.get("processes")).get(text(span.get("processID")))
    process = mapping(named if named is not None else span.get("process"))
    service = text(process.get("serviceName"))
    return ({"service.name": service} if service else {}) | tag_values(process.get("tags"))
