"""Tempo's HTTP API: `batches` for `resourceSpans`, its v2 wrapping `{"trace": …}`, and Jaeger v3's
`{"result": …}`.

Ids in base64, names for enums and the names from before OTLP 0.15 need no treatment here: decoding
takes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agentguard.ingest.payloads import DocumentPayload

_WRAPPINGS = ("trace", "result")


def unwrapped(value: dict[str, Any]) -> dict[str, Any] | None:
    """Return the object that holds `batches` or `resourceSpans`, or None where there is none."""
    for inner in (value, *(value.get(name) for name in _WRAPPINGS)):
        if isinstance(inner, dict) and (
            isinstance(inner.get("batches"), list) or isinstance(inner.get("resourceSpans"), list)
        ):
            return inner
    return None


def payloads(value: dict[str, Any], origin: str) -> Iterator[DocumentPayload]:
    """Yield the document under its OTLP name."""
    inner = unwrapped(value) or {}
    groups = inner.get("resourceSpans")
    yield DocumentPayload(
        origin, {"resourceSpans": groups if isinstance(groups, list) else inner.get("batches", [])}
    )
