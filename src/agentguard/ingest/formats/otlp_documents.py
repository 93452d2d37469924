"""Builds OTLP/JSON documents from the values of other formats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

KINDS = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
"""opentelemetry.proto.trace.v1.Span.SpanKind by name; 0 is unspecified."""

STATUS_OK, STATUS_ERROR = 1, 2

_MAX_DEPTH = 16  # levels of nesting kept as structure; deeper values become JSON text
_INT64 = range(-(2**63), 2**63)


@dataclass(slots=True)
class SpanDocument:
    """Groups spans by resource and scope."""

    _groups: dict[bytes, tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]] = field(
        default_factory=dict
    )

    def add(self, resource: Mapping[str, object], scope: str, span: dict[str, Any]) -> None:
        """Add a span (OTLP/JSON) of this scope under the resource with these attributes."""
        written = attributes(resource)
        _, scopes = self._groups.setdefault(orjson.dumps(written), ({"attributes": written}, {}))
        scopes.setdefault(scope, []).append(span)

    def finished(self) -> dict[str, Any]:
        """Return the document, with resources and scopes in order of first occurrence."""
        return {
            "resourceSpans": [
                {
                    "resource": resource,
                    "scopeSpans": [
                        {"scope": {"name": name}, "spans": spans} for name, spans in scopes.items()
                    ],
                }
                for resource, scopes in self._groups.values()
            ]
        }


def attributes(values: Mapping[str, object]) -> list[dict[str, Any]]:
    """Return the values as OTLP KeyValues, without nulls."""
    return [
        {"key": key, "value": any_value(value)}
        for key, value in values.items()
        if value is not None
    ]


def any_value(value: object, depth: int = 0) -> dict[str, Any]:
    """Return a JSON value as an OTLP AnyValue; below 16 levels of nesting, as JSON text."""
    match value:
        case list() | dict() if depth >= _MAX_DEPTH:
            return {"stringValue": json_text(value)}
        case list():
            return {"arrayValue": {"values": [any_value(item, depth + 1) for item in value]}}
        case dict():
            return {
                "kvlistValue": {
                    "values": [
                        {"key": str(k), "value": any_value(v, depth + 1)} for k, v in value.items()
                    ]
                }
            }
        case _:
            return _scalar(value)


def _scalar(value: object) -> dict[str, Any]:
    match value:
        case None:
            return {}
        case bool():
            return {"boolValue": value}
        case int() if value in _INT64:
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case _:
            return {"stringValue": text(value)}


def json_text(value: object) -> str:
    """Return the value as JSON text, or the empty text if it is nested too deeply."""
    try:
        return orjson.dumps(value, default=str).decode()
    except orjson.JSONEncodeError:
        return ""


def objects(value: object) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a list with their position from 1.

    Other items are skipped; a value that is not a list yields nothing.
    """
    if isinstance(value, list):
        yield from ((n, item) for n, item in enumerate(value, 1) if isinstance(item, dict))


def mapping(value: object) -> dict[str, Any]:
    """Return the value if it is an object, else an empty object."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    """Return the value if it is a list, else an empty list."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a scalar as text; null, objects and lists become the empty text."""
    if isinstance(value, str):
        return value
    return "" if value is None or isinstance(value, dict | list) else str(value)


def nanoseconds(microseconds: object) -> int:
    """Return microseconds (a number or numeric text) as nanoseconds, or 0 if invalid."""
    if isinstance(microseconds, int):
        return microseconds * 1000
    try:
        return round(float(text(microseconds)) * 1000)
    except (ValueError, OverflowError):
        return 0
