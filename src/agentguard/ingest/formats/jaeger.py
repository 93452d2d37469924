"""Jaeger JSON from the query service or the UI: `{"data": [trace, …]}`, or one trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agentguard.ingest.formats import tags as conventions
from agentguard.ingest.formats.hex_ids import span_id, trace_id
from agentguard.ingest.formats.kinds import MalformedError, Shape, accepted, check
from agentguard.ingest.formats.otlp_documents import (
    SpanDocument,
    attributes,
    mapping,
    nanoseconds,
    objects,
    text,
)
from agentguard.ingest.payloads import DocumentPayload, Refusal
from agentguard.ingest.rejections import WITHOUT_IDS

_TAGS: Shape = [{}]
_PROCESS: Shape = {"tags": _TAGS}
_SPAN: Shape = {
    "tags": _TAGS,
    "logs": [{"fields": _TAGS}],
    "references": [{}],
    "process": _PROCESS,
}


def payloads(value: object, origin: str) -> Iterator[DocumentPayload | Refusal]:
    """Yield one document per trace, and a refusal for each unusable span.

    CHILD_OF within the trace is the parent, else FOLLOWS_FROM; other references become links.
    Complete ancestors embedded in references are not spans of their own. Ids are padded.
    """
    for found in accepted(traces(value), {}, origin, "trace"):
        if isinstance(found, Refusal):
            yield found
        else:
            yield from _trace(*found, origin)


def _trace(
    place: str, trace: Mapping[str, Any], origin: str
) -> Iterator[DocumentPayload | Refusal]:
    document = SpanDocument()
    for found in accepted(trace.get("spans"), _SPAN, place, "span"):
        if isinstance(found, Refusal):
            yield found
            continue
        at, span = found
        try:
            converted = _span(span, trace_id(span.get("traceID") or trace.get("traceID")))
            scope = conventions.scope(tag_values(span.get("tags")))
            document.add(_resource(span, trace), scope, converted)
        except MalformedError as error:
            yield error.refusal(at)
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


def _span(span: Mapping[str, Any], trace: str) -> dict[str, Any]:
    own_id = span_id(span.get("spanID"))
    if not (trace and own_id):
        raise MalformedError("A Jaeger span needs traceID and spanID.", WITHOUT_IDS)
    tags = tag_values(span.get("tags"))
    start = nanoseconds(span.get("startTime"))
    parent, links = _references(span, trace)
    return {
        "traceId": trace,
        "spanId": own_id,
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


def _references(span: Mapping[str, Any], trace: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the parent's id and the links."""
    references = [
        (text(r.get("refType")), trace_id(r.get("traceID")) or trace, span_id(r.get("spanID")))
        for _, r in objects(span.get("references"))
    ]
    here = [r for r in references if r[1] == trace and r[2]]
    parent = next((r for r in here if r[0] != "FOLLOWS_FROM"), here[0] if here else None)
    links = [{"traceId": r[1], "spanId": r[2]} for r in references if r is not parent]
    return parent[2] if parent else span_id(span.get("parentSpanID")), links


def _event(log: Mapping[str, Any]) -> dict[str, Any]:
    fields = tag_values(log.get("fields"))
    name = text(fields.pop("event", None) or fields.get("message"))
    return {
        "timeUnixNano": nanoseconds(log.get("timestamp")),
        "name": name,
        "attributes": attributes(fields),
    }


def _resource(span: Mapping[str, Any], trace: Mapping[str, Any]) -> dict[str, object]:
    process = _process(span, trace)
    service = text(process.get("serviceName"))
    return ({"service.name": service} if service else {}) | tag_values(process.get("tags"))


def _process(span: Mapping[str, Any], trace: Mapping[str, Any]) -> dict[str, Any]:
    """Return the process that the span names, else its own; raise MalformedError."""
    if (processes := trace.get("processes")) is not None:
        check(processes, {}, "`processes` of a trace")
    named = mapping(processes).get(text(span.get("processID")))
    if named is None:
        return mapping(span.get("process"))
    check(named, _PROCESS, "A process")
    return mapping(named)
