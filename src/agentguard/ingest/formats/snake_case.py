"""Spans with names in snake case, as Phoenix, MLflow and OpenTelemetry's Python SDK write them.

A span has its ids in `context` (`{"context": {"trace_id", "span_id"}, "parent_id", "start_time"}`),
in keys like `context.trace_id`, or beside the other fields, as in OTLP (`trace_id`, `span_id`,
`parent_span_id`, `start_time_unix_nano`). Ids have OTLP's lengths, in hex (with or without 0x) or
base64. Spans come alone, in lists, in pages (`{"data": […], "next_cursor"}`), in traces
(`{"spans": […]}`) and in MLflow's traces (`{"info": {…}, "data": {"spans": […]}}`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agentguard.ingest.formats import tags as conventions
from agentguard.ingest.formats.kinds import MALFORMED, MalformedError, Shape, accepted, check
from agentguard.ingest.formats.otlp_documents import (
    KINDS,
    SpanDocument,
    attributes,
    mapping,
    objects,
    sequence,
    text,
)
from agentguard.ingest.formats.plain import instant
from agentguard.ingest.payloads import DocumentPayload, Refusal

_ATTRIBUTES = "attributes."
_PREFIXED_LENGTHS = frozenset({2 + 16, 2 + 32})
"""Characters of `0x` and the hex digits of an id."""
_LEVELS = 4
"""A list of pages, a page, a trace in it, its spans."""
_STARTS = frozenset({"start_time", "start_time_unix_nano"})
_SPAN: Shape = {
    "context": {},
    "resource": {},
    "scope": {},
    "events": [{}],
    "links": [{"context": {}}],
}


def payloads(value: object, origin: str) -> Iterator[DocumentPayload | Refusal]:
    """Yield one document with all spans, and a refusal for each unusable span."""
    document = SpanDocument()
    for found in _spans(value, origin):
        if isinstance(found, Refusal):
            yield found
            continue
        place, span = found
        try:
            _add(document, span)
        except MalformedError as error:
            yield error.refusal(place)
    yield DocumentPayload(origin, document.finished(), own_ids=False)


def is_span(value: Mapping[str, Any]) -> bool:
    """Return whether this has the ids and the start of a span, unlike log records with ids."""
    context = value.get("context")
    inner = context if isinstance(context, dict) else value
    return not _STARTS.isdisjoint(value) and (
        {"trace_id", "span_id"} <= inner.keys() or "context.trace_id" in value
    )


def spans_of(value: object) -> object:
    """Return the spans of a trace or a page, which may have none; None for another value."""
    found = mapping(value)
    inner = found.get("spans", found.get("data"))
    return mapping(inner).get("spans") if isinstance(inner, dict) else inner


def _spans(
    value: object, place: str, levels: int = _LEVELS
) -> Iterator[tuple[str, dict[str, Any]] | Refusal]:
    """Yield the spans of a span, a trace, a page, or a list of spans or traces."""
    if not levels:
        yield Refusal(place, MALFORMED, "Spans are nested too deeply to be a trace or a page.")
        return
    if isinstance(value, list):
        for number, item in enumerate(value, 1):
            yield from _spans(item, f"{place}, item {number}", levels - 1)
        return
    around = mapping(value)
    inner = None if is_span(around) else spans_of(around)
    if any(isinstance(item, dict) and "spans" in item for item in sequence(inner)):
        yield from _spans(inner, place, levels - 1)
        return
    for found in accepted([value] if inner is None else inner, _SPAN, place, "span"):
        yield found if isinstance(found, Refusal) else (found[0], _of_trace(around, found[1]))


def _of_trace(trace: Mapping[str, Any], span: dict[str, Any]) -> dict[str, Any]:
    """Return the span with the id of the trace around it, unless it has one of its own."""
    around = trace.get("trace_id")
    return span if is_span(span) or around is None else span | {"trace_id": around}


def _add(document: SpanDocument, span: Mapping[str, Any]) -> None:
    scope = mapping(span.get("scope") or span.get("instrumentation_scope"))
    resource = mapping(span.get("resource"))
    if (own := resource.get("attributes")) is not None:
        check(own, {}, "`attributes` of a resource")
    document.add(mapping(own), text(scope.get("name")), _converted(span))


def _converted(span: Mapping[str, Any]) -> dict[str, Any]:
    trace, own = _ids(span)
    return {
        "traceId": trace,
        "spanId": own,
        "parentSpanId": _hex(span.get("parent_id") or span.get("parent_span_id")),
        "name": text(span.get("name")),
        "kind": _kind(span.get("kind")),
        "startTimeUnixNano": _time(span, "start_time"),
        "endTimeUnixNano": _time(span, "end_time"),
        "attributes": attributes(_own_attributes(span)),
        "status": _status(span),
        "events": [_event(event) for _, event in objects(span.get("events"))],
        "links": [_link(link) for _, link in objects(span.get("links"))],
    }


def _link(link: Mapping[str, Any]) -> dict[str, str]:
    trace, span = _ids(link)
    return {"traceId": trace, "spanId": span}


def _ids(value: Mapping[str, Any]) -> tuple[str, str]:
    """Return trace id and span id from wherever they are."""
    inner = mapping(value.get("context")) or value
    return (
        _hex(inner.get("trace_id") or value.get("context.trace_id")),
        _hex(inner.get("span_id") or value.get("context.span_id")),
    )


def _hex(value: object) -> str:
    """Return an id without the prefix of a hexadecimal number; base64 may begin alike."""
    written = text(value)
    return written.removeprefix("0x") if len(written) in _PREFIXED_LENGTHS else written


def _kind(value: object) -> int:
    """Return the OTLP number of a span kind, which may be a number or a member's name."""
    number = value if isinstance(value, int) else 0
    return number if number in KINDS.values() else conventions.kind(_member(value))


def _member(value: object) -> str:
    """Return the name of an enum's member: CLIENT of SpanKind.CLIENT or SPAN_KIND_CLIENT."""
    return text(value).rpartition(".")[2].upper().removeprefix("SPAN_KIND_")


def _time(span: Mapping[str, Any], name: str) -> int:
    return instant(span.get(f"{name}_unix_nano") or span.get(name))


def _own_attributes(span: Mapping[str, Any]) -> dict[str, object]:
    """Return the attributes; Phoenix keeps OpenInference's kind of span in a field of its own."""
    flat = {
        key.removeprefix(_ATTRIBUTES): value
        for key, value in span.items()
        if key.startswith(_ATTRIBUTES)
    }
    kind = span.get("span_kind")
    named: dict[str, object] = {"openinference.span.kind": text(kind)} if kind else {}
    return named | flat | _mapped(span.get("attributes"), "`attributes` of a span")


def _mapped(value: object, name: str) -> dict[str, object]:
    """Return attributes that are an object or a list of OTLP's key-value pairs."""
    if isinstance(value, list):
        check(value, [{"value": {}}], name)
        return {text(pair.get("key")): _value(pair.get("value")) for _, pair in objects(value)}
    if value is not None:
        check(value, {}, name)
    return mapping(value)


def _value(value: object) -> object:
    """Return an AnyValue in snake case as a value; of its members, one is not null."""
    for kind, inner in mapping(value).items():
        match kind, inner:
            case _, None:
                continue
            case "array_value", _:
                return [_value(item) for item in mapping(inner).get("values") or ()]
            case "kvlist_value", _:
                return _mapped(mapping(inner).get("values"), "`values` of an attribute")
            case _:
                return inner
    return None


def _status(span: Mapping[str, Any]) -> dict[str, Any]:
    status = span.get("status")
    if isinstance(status, list):
        raise MalformedError("`status` of a span must be an object or a code.")
    known = mapping(status)
    code = known.get("status_code") or known.get("code") or span.get("status_code")
    message = text(known.get("description") or known.get("message") or span.get("status_message"))
    named = text(code if known or not status else status).rpartition(".")[2]
    return {"code": named.upper().removeprefix("STATUS_CODE_")} | (
        {"message": message} if message else {}
    )


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "timeUnixNano": instant(event.get("time_unix_nano") or event.get("timestamp")),
        "name": text(event.get("name")),
        "attributes": attributes(_mapped(event.get("attributes"), "`attributes` of an event")),
    }
