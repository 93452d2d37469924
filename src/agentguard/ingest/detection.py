"""Detects the trace format of a JSON value by its structure and selects the reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any

from agentguard.ingest.formats import jaeger, langfuse, plain, snake_case, tempo, zipkin, zipkin_v1
from agentguard.ingest.formats.otlp_documents import mapping, sequence
from agentguard.ingest.payloads import DocumentPayload, Refusal

SUPPORTED_FORMATS = (
    "OTLP (JSON, JSON lines, protobuf), Jaeger JSON, Zipkin v1 and v2 JSON, Tempo API JSON, "
    'exports of Langfuse, Phoenix and MLflow, and the plain form [{"traceId": …, "spans": […]}]'
)
"""All supported formats, for messages."""

_INSPECTED_ITEMS = 20  # list elements inspected
_ZIPKIN_KEYS = frozenset({"localEndpoint", "remoteEndpoint", "shared"})
"""Keys of spans that only Zipkin v2 has."""


class Format(StrEnum):
    """Distinguishable JSON structures; the last three contain no spans."""

    OTLP = "otlp"
    WRAPPED_OTLP = "wrapped-otlp"
    JAEGER = "jaeger"
    ZIPKIN = "zipkin"
    ZIPKIN_V1 = "zipkin-v1"
    LANGFUSE = "langfuse"
    SNAKE_CASE = "snake-case"
    """Phoenix, MLflow, and the SDK's console exporter."""
    PLAIN = "plain"
    MANY = "many"
    """A list of documents, each in a format of its own."""
    OTHER_SIGNAL = "other-signal"
    WITHOUT_OBSERVATIONS = "without-observations"
    DEPENDENCIES = "dependencies"


_ONE_BY_ONE = (Format.OTLP, Format.WRAPPED_OTLP, Format.LANGFUSE, Format.OTHER_SIGNAL)
"""Formats of single documents, each of which is read on its own in a list."""


def format_of(value: object) -> Format | None:
    """Return the format of a parsed JSON value, or None if it is unknown.

    Inspects the first elements of a list only.
    """
    if isinstance(value, dict):
        return _format_of_object(value)
    return _format_of_list(value) if isinstance(value, list) else None


def holds_traces(value: object) -> bool:
    """Return whether the value is in a trace format."""
    return format_of(value) not in _WITHOUT_SPANS


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
    Format.SNAKE_CASE: snake_case.payloads,
    Format.PLAIN: plain.payloads,
}

_WITHOUT_SPANS = {
    Format.OTHER_SIGNAL: ("not-traces", "These are OTLP logs or metrics; only traces are read."),
    Format.DEPENDENCIES: (
        "not-traces",
        "This is a Jaeger dependencies response, which has no spans. Export traces instead.",
    ),
    Format.WITHOUT_OBSERVATIONS: (
        "not-traces",
        "This is a Langfuse export without observations. Export the observations instead.",
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
        if isinstance(value.get("data"), list) and "info" not in value
        else _format_of_spans(value)
    )


def _format_of_spans(value: dict[str, Any]) -> Format | None:
    if _holds_snake_case(value):
        return Format.SNAKE_CASE
    if isinstance(value.get("spans"), list):
        return Format.JAEGER if "traceID" in value or "processes" in value else Format.PLAIN
    return _format_of_span(value)


def _holds_snake_case(value: dict[str, Any]) -> bool:
    """Return whether this is a span in snake case, or the first span in it is one."""
    spans = snake_case.spans_of(value)
    first = next((span for span in sequence(spans) if isinstance(span, dict)), value)
    return snake_case.is_span(first)


def _format_of_data(data: list[Any]) -> Format | None:
    """Distinguish pages: of Langfuse, Phoenix, or Jaeger (traces, or dependencies)."""
    empty: dict[str, Any] = {} if data else {"spans": []}
    first = next((item for item in data if isinstance(item, dict)), empty)
    if langfuse.is_observation(first):
        return Format.LANGFUSE
    if langfuse.is_without_observations(first):
        return Format.WITHOUT_OBSERVATIONS
    if isinstance(first.get("spans"), list):
        return Format.SNAKE_CASE if "trace_id" in first else Format.JAEGER
    if snake_case.is_span(first):
        return Format.SNAKE_CASE
    return Format.DEPENDENCIES if "callCount" in first else None


def _format_of_span(value: dict[str, Any]) -> Format | None:
    """Distinguish single spans: Langfuse's, Zipkin's, or those of the plain format."""
    if langfuse.is_observation(value):
        return Format.LANGFUSE
    if langfuse.is_without_observations(value):
        return Format.WITHOUT_OBSERVATIONS
    if "traceId" not in value:
        return None
    if "binaryAnnotations" in value or "endpoint" in mapping(
        next(iter(sequence(value.get("annotations"))), None)
    ):
        return Format.ZIPKIN_V1
    if "id" in value and not _ZIPKIN_KEYS.isdisjoint(value):
        return Format.ZIPKIN
    return Format.PLAIN if "spanId" in value and "resource" not in value else None


def _format_of_list(value: list[Any]) -> Format | None:
    """Return the first format found among the first elements of the list."""
    if isinstance(next(iter(value), None), list):
        spans = [span for trace in value if isinstance(trace, list) for span in trace]
        found = _first_format(spans)
        return found if found in (Format.ZIPKIN, Format.ZIPKIN_V1) else None
    found = _first_format(value) if value else Format.PLAIN
    return Format.MANY if found in _ONE_BY_ONE else found


def _first_format(items: list[Any]) -> Format | None:
    """Return the format of the first items, or Zipkin if any other item has keys of its own."""
    found = (
        _format_of_object(item)
        for item in items[:_INSPECTED_ITEMS]
        if isinstance(item, dict) and item
    )
    first = next((form for form in found if form is not None), None)
    return first or (Format.ZIPKIN if any(map(_is_zipkin, items[_INSPECTED_ITEMS:])) else None)


def _is_zipkin(item: Any) -> bool:
    return isinstance(item, dict) and _format_of_span(item) is Format.ZIPKIN
