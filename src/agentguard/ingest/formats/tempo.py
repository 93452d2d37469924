"""Tempo's HTTP API (`batches`, v2 `{"trace": …}`) and Jaeger v3 (`{"result": …}`).

Base64 ids, enum names and pre-0.15 OTLP names need no conversion: the decoder accepts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agentguard.ingest.payloads import DocumentPayload

_WRAPPINGS = ("trace", "result")


def unwrapped(value: dict[str, Any]) -> dict[str, Any] | None:
    """Return the object that contains `batches` or `resourceSpans`, or None."""
    for inner in (value, *(value.get(name) for name in _WRAPPINGS)):
        if isinstance(inner, dict) and (
            isinstance(inner.get("batches"), list) or isinstance(inner.get("resourceSpans"), list)
        ):
            return inner
    return None


def payloads(value: dict[str, Any], origin: str) -> Iterator[DocumentPayload]:
    """Yield the document with its OTLP member name."""
    inner = unwrapped(value) or {}
    groups = inner.get("resourceSpans")
    found = groups if isinstance(groups, list) else inner.get("batches", [])
    yield DocumentPayload(origin, {"resourceSpans": found}, own_ids=False)
