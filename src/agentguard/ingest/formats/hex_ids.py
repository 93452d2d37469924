"""Ids in hex as Jaeger and Zipkin write them: leading zeros may be missing.

Both pad with zeros on the left: span ids to 16 digits, trace ids to 16 (64 bits) or 32 (128 bits).
A trace id of 64 bits is the one of 128 bits whose upper half is zero (jaeger-idl, model.proto;
openzipkin/zipkin-api, zipkin2-api.yaml).
"""

from __future__ import annotations

from agentguard.ingest.formats.otlp_documents import text

_SHORT, _LONG = 16, 32
_DIGITS = frozenset("0123456789abcdefABCDEF")


def trace_id(value: object) -> str:
    """Return a trace id with 16 or 32 digits; ids that are not hex, and longer ones, unchanged."""
    written = text(value)
    return _padded(written, _SHORT if len(written) <= _SHORT else _LONG)


def span_id(value: object) -> str:
    """Return a span id with 16 digits; ids that are not hex, and longer ones, unchanged."""
    return _padded(text(value), _SHORT)


def _padded(written: str, digits: int) -> str:
    return written.rjust(digits, "0") if written and _DIGITS.issuperset(written) else written
