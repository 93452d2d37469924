"""What a reader hands on: payloads to decode, and refusals with their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ProtobufPayload:
    """One ExportTraceServiceRequest body (opentelemetry.proto.collector.trace.v1), not yet decoded."""

    origin: str
    """Where it came from, for people: a file's path, with ':line' where there are lines."""
    body: bytes


@dataclass(frozen=True, slots=True)
class DocumentPayload:
    """One OTLP/JSON document in the form of json.loads, `{"resourceSpans": [...]}`.

    Foreign formats are brought into it.

    64-bit integers may be numbers or strings, enums numbers or names.
    """

    origin: str
    document: dict[str, Any]
    own_ids: bool = True
    """Whether ids may be any strings, kept as written; otherwise only OTLP's own, 32 (trace) and 16
    (span) hex digits.
    """


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that could not be used; the rest goes on."""

    origin: str
    reason: str
    """Stable kebab-case code: not-json, truncated-gzip, bad-protobuf, span-without-ids …"""
    message: str
    """A sentence for people: what is wrong, and what to do."""
    spans: int = 1
    """How many spans (or records, where spans cannot be counted) are lost."""


Payload = ProtobufPayload | DocumentPayload
