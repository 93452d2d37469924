"""The Arrow schema of the span table."""

from __future__ import annotations

import hashlib

import pyarrow as pa

from agentguard.ingest.values import capped

_LABEL = pa.dictionary(pa.int32(), pa.string())

SPAN_SCHEMA = pa.schema(
    [
        pa.field("trace_id", pa.binary(16), nullable=False),
        pa.field("span_id", pa.binary(8), nullable=False),
        pa.field("parent_id", pa.binary(8), nullable=False),  # zeros: no parent
        pa.field("trace_label", pa.string()),  # the id as written, unless it is 32 hex digits
        pa.field("span_label", pa.string()),  # the id as written, unless it is 16 hex digits
        pa.field("name", _LABEL, nullable=False),
        pa.field("kind", pa.int8(), nullable=False),  # opentelemetry.proto.trace.v1.Span.SpanKind
        pa.field("failed", pa.bool_(), nullable=False),  # status code ERROR
        pa.field("start", pa.int64(), nullable=False),  # ns since the epoch; 0: unknown
        pa.field("end", pa.int64(), nullable=False),  # ns, never before start; 0: unknown
        pa.field("resource", _LABEL, nullable=False),  # JSON object of stored resource attributes
        pa.field("scope", _LABEL, nullable=False),  # instrumentation scope's name
        # JSON object of stored span attributes and facts
        pa.field("attributes", _LABEL, nullable=False),
        pa.field("input_tokens", pa.int64(), nullable=False),
        pa.field("output_tokens", pa.int64(), nullable=False),
        pa.field("cached_input_tokens", pa.int64(), nullable=False),
        pa.field("cost_usd", pa.float64()),
        pa.field("request", pa.int64(), nullable=False),  # digest of a request's id; 0: none
        pa.field("conversation", pa.int64(), nullable=False),  # digest of its id; 0: none
        pa.field("links", pa.list_(pa.binary(24))),  # trace id and span id of each link
    ]
)

KIND_UNSPECIFIED, KIND_INTERNAL, KIND_SERVER, KIND_CLIENT, KIND_PRODUCER, KIND_CONSUMER = range(6)

_TRACE = 16
"""Bytes of a trace id, and hex digits of one truncated to 64 bits."""
_HEX = frozenset("0123456789abcdefABCDEF")


def id_digest(written: str) -> int:
    """Return 64 bits of BLAKE2b of an id, never 0."""
    digest = hashlib.blake2b(written.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


def id_bytes(written: str, size: int) -> tuple[bytes, str | None]:
    """Return an id's bytes, and the id as written unless the bytes represent it.

    2 × size hex digits are the bytes themselves; 16 hex digits of a trace id are its lower half;
    anything else is hashed (BLAKE2b), so that ids of any form can be joined. An empty id gives
    zeros.
    """
    if not written:
        return bytes(size), None
    if len(written) == 2 * size and _HEX.issuperset(written):
        return bytes.fromhex(written), None
    if size == _TRACE and len(written) == _TRACE and _HEX.issuperset(written):
        return bytes(size // 2) + bytes.fromhex(written), written
    return (
        hashlib.blake2b(written.encode("utf-8", "surrogatepass"), digest_size=size).digest(),
        capped(written),
    )
