"""Detects the trace format of a JSON value by its structure and selects the reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any

from agentguard.ingest.formats import jaeger, langfuse, plain, tempo, zipkin, zipkin_v1
from agentguard.ingest.formats.otlp_documents import mapping
from agentguard.ingest.payloads import DocumentPayload, Refusal

SUPPORTED_FORMATS = (
    "OTLP (JSON, JSON lines, protobuf), Jaeger JSON, Zipkin v1 and v2 JSON, Tempo API JSON, "
    'Langfuse exports, and the plain form [{"traceId": …, "spans": […]}]'
)
"""All supported formats, for messages."""

_INSPECTED_ITEMS = 20  # list elements inspected


class Format(StrEnum):
    """Distinguishable JSON structures; the last two contain no spans."""

    OTLP = "otlp"
    WRAPPED_OTLP = "wrapped-otlp"
    JAEGER = "jaeger"
    ZIPKIN = "zipkin"
    ZIPKIN_V1 = "zipkin-v1"
    LANGFUSE = "langfuse"
    PLAIN = "plain"
    MANY = "many"
    """A list of documents, each in a format of its own."""
    OTHER_SIGNAL = "other-signal"
    DEPENDENCIES = "dependencies"


def format_of(value: object) -> Format | None:
    """Return the format of a parsed JSON value, or None if it is unknown.

    Inspects the first elements of a list only.
    """
    if isinstance(value, dict):
        return _format_of_object(value)
    return _format_of_list(value) if isinstance(value, list) else None


def holds_traces(value: object) -> bool:
    """Return whether the value is in a trace format."""
    return format_of(value) not in (None, Format.OTHER_SIGNAL, Format.DEPENDENCIES)


def payloads(value: Any, origin: str) -> Iterator[DocumentPayload | Refusal]:
    """Yield the payloads in the value.

    A value without spans or of an unknown format yields one refusal.
    """
    match format_of(value):
        case Format.MANY:
            for number, item in enumerate(value, 1):
                yield from payloads(
                    item if isinstance(item, dict) else None, f"{origin}, document {number}"
                )
        case form if form in _READERS:
            yield from _READERS[form](value, origin)
        case form:
            yield Refusal(origin, *_WITHOUT_SPANS[form])


def _otlp(value: dict[str, Any], origin: str) -> Iterator[DocumentPayload]:
    yield DocumentPayload(origin, value, own_ids=False)


_READERS: dict[Format | None, Callable[[Any, str], Iterator[DocumentPayload | Refusal]]] = {
    Format.OTLP: _otlp,
    Format.WRAPPED_OTLP: tempo.payloads,
    Format.JAEGER: jaeger.payloads,
    Format.ZIPKIN: zipkin.payloads,
    Format.ZIPKIN_V1: zipkin_v1.payloads,
    Format.LANGFUSE: langfuse.payloads,
    Format.PLAIN: plain.payloads,
}

_WITHOUT_SPANS = {
    Format.OTHER_SIGNAL: ("not-traces", "These are OTLP logs or metrics; only traces are read."),
    Format.DEPENDENCIES: (
        "not-traces",
        "This is a Jaeger dependencies response, which has no spans. Export traces instead.",
    ),
    None: (
        "unknown-format",
        f"Unknown JSON format. Supported formats: {SUPPORTED_FORMATS}.",
    ),
}


def _format_of_object(value: dict[str, Any]) -> Format | None:
    if not value or isinstance(value.get("resourceSpans"), list):
        return Format.OTLP
    if tempo.unwrapped(value) is not None:
        return Format.WRAPPED_OTLP
    if isinstance(langfuse.nested_observations(value), list):
        return Format.LANGFUSE
    if "resourceLogs" in value or "resourceMetrics" in value:
        return Format.OTHER_SIGNAL
    return (
        _format_of_data(value["data"])
        if isinstance(value.get("data"), list)
        else _format_of_spans(value)
    )


def _format_of_spans(value: dict[str, Any]) -> Format | None:
    if isinstance(value.get("spans"), list):
        return Format.JAEGER if "traceID" in value or "processes" in value else Format.PLAIN
    return _format_of_span(value)


def _format_of_data(data: list[Any]) -> Format | None:
    """Distinguish Jaeger's responses: traces, or the dependencies between services."""
    first = mapping(next(iter(data), {"spans": []}))
    if isinstance(first.get("spans"), list):
        return Format.JAEGER
    if langfuse.is_observation(first):
        return Format.LANGFUSE
    return Format.DEPENDENCIES if "callCount" in first else None


def _format_of_span(value: dict[str, Any]) -> Format | None:
    """Distinguish single spans: Zipkin's, or those of the plain format."""
    if "traceId" not in value:
        return None
    if "binaryAnnotations" in value or "endpoint" in mapping(
        next(iter(_list(value.get("annotations"))), None)
    ):
        return Format.ZIPKIN_V1
    if langfuse.is_observation(value):
        return Format.LANGFUSE
    if "id" in value:
        return Format.ZIPKIN
    return Format.PLAIN if "spanId" in value and "resource" not in value else None


def _format_of_list(value: list[Any]) -> Format | None:
    """Return the first format found among the first elements of the list."""
    if not value:
        return Format.ZIPKIN
    if isinstance(value[0], list):
        spans = [span for trace in value if isinstance(trace, list) for span in trace[:1]]
        found = _first_format(spans) if spans else Format.ZIPKIN
        return found if found in (Format.ZIPKIN, Format.ZIPKIN_V1) else None
    found = _first_format(value)
    one_by_one = (Format.OTLP, Format.WRAPPED_OTLP, Format.LANGFUSE, Format.OTHER_SIGNAL)
    return Format.MANY if found in one_by_one else found


def _first_format(items: list[Any]) -> Format | None:
    found = (
        _format_of_object(item)
        for item in items[:_INSPECTED_ITEMS]
        if isinstance(item, dict) and item
    )
    return next((form for form in found if form is not None), None)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
