"""OpenTelemetry data in the tags of Jaeger and Zipkin spans.

Specification: "OpenTelemetry to non-OTLP exporters", v1.50.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentguard.ingest.formats.otlp_documents import KINDS, STATUS_ERROR, STATUS_OK, text

_SPAN_FIELD_TAGS = frozenset(
    {
        "span.kind",
        "otel.scope.name",
        "otel.scope.version",
        "otel.library.name",
        "otel.library.version",
        "otel.status_code",
        "otel.status_description",
    }
)
_CODES = {"ERROR": STATUS_ERROR, "OK": STATUS_OK}


def scope(tags: Mapping[str, object]) -> str:
    """Return the instrumentation scope's name, or the empty text."""
    return text(tags.get("otel.scope.name") or tags.get("otel.library.name"))


def kind(name: object) -> int:
    """Return the OTLP number of a span kind's name in any case; 0 if unknown."""
    return KINDS.get(text(name).upper(), 0)


def status(tags: Mapping[str, object], *, failed: bool) -> dict[str, Any]:
    """Return the OTLP status from the tags; `failed` is the error flag of the format itself."""
    code = STATUS_ERROR if failed else _CODES.get(text(tags.get("otel.status_code")).upper(), 0)
    message = text(tags.get("otel.status_description")) or _error_text(tags)
    return {"code": code} | ({"message": message} if message and code == STATUS_ERROR else {})


def attributes(tags: Mapping[str, object]) -> dict[str, object]:
    """Return the tags that are attributes, without those that encode other span fields."""
    return {
        key: value
        for key, value in tags.items()
        if key not in _SPAN_FIELD_TAGS and not (key == "error" and not _error_text(tags))
    }


def _error_text(tags: Mapping[str, object]) -> str:
    """Return the error tag unless it is merely a boolean."""
    error = text(tags.get("error"))
    return "" if error.casefold() in ("true", "false", "") else error
