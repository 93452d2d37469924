"""Output of the readers: payloads to decode, and refusals with their location."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ProtobufPayload:
    """An undecoded ExportTraceServiceRequest (opentelemetry.proto.collector.trace.v1)."""

    origin: str
    """Source for messages: a file's path, with ':line' for line-based files."""
    body: bytes


@dataclass(frozen=True, slots=True)
class DocumentPayload:
    """An OTLP/JSON document as returned by json.loads, `{"resourceSpans": [...]}`.

    Other formats are converted to it. 64-bit integers may be numbers or strings, enums numbers or
    names.
    """

    origin: str
    document: dict[str, Any]
    own_ids: bool = True
    """Whether ids may be arbitrary strings, kept as written; otherwise only OTLP's own: 32 (trace)
    and 16 (span) hex digits.
    """


@dataclass(frozen=True, slots=True)
class Refusal:
    """An input error that affects only part of the input."""

    origin: str
    reason: str
    """Stable kebab-case code: not-json, truncated-gzip, bad-protobuf, span-without-ids …"""
    message: str
    """What is wrong and what to do."""
    spans: int = 1
    """Number of lost spans (or records, if spans cannot be counted)."""


Payload = ProtobufPayload | DocumentPayload
