"""Limits on the number of messages in a body, checked before the body is decoded.

An empty span takes two bytes of protobuf, and about two hundred bytes once decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from google.protobuf.descriptor import Descriptor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from agentguard.ingest.errors import UnreadableInputError

MOST_SPANS = 500_000
"""Spans and groups of spans (ResourceSpans, ScopeSpans) in one body: more than three times what
fits into 64 MiB at the usual 450 bytes a span.
"""
MOST_MESSAGES = 4_000_000
"""Messages of all kinds in one body; an attribute and its value are two. Or values in one JSON
document.
"""
MOST_LEVELS = 100
"""Levels of nested messages, as in protobuf's own parsers."""
_TOGETHER = 2 * MOST_SPANS
"""Spans and groups, as estimated, that are decoded together."""

_MessageFields: TypeAlias = Mapping[int, str]
"""Number of a field, and the full name of the kind of message that it holds."""
_SHORTEST = 2
"""Bytes of an empty message: tag and length."""
_BEFORE_VALUES = tuple(b"{[,")
"""One of these stands before each JSON value but the first, or before its name."""
_LENGTH_DELIMITED = 2
_FIXED_BYTES = {1: 8, 5: 4}
_OVERLONG = 0
"""The last byte of a field's tag that is written with more bytes than it needs."""


def _nested_fields(root: Descriptor) -> dict[str, _MessageFields]:
    """Return the fields of each kind of message below the root that hold messages themselves."""
    found: dict[str, _MessageFields] = {}
    waiting = [root]
    while waiting:
        kind = waiting.pop()
        if kind.full_name not in found:
            nested = {field.number: field.message_type for field in kind.fields}
            waiting.extend(message for message in nested.values() if message)
            found[kind.full_name] = {n: m.full_name for n, m in nested.items() if m}
    return found


_ROOT = ExportTraceServiceRequest.DESCRIPTOR
_NESTED = _nested_fields(_ROOT)
_SPAN_KINDS = [kind.DESCRIPTOR.full_name for kind in (ResourceSpans, ScopeSpans, Span)]
_SPANS = {
    kind: {n: nested for n, nested in fields.items() if nested in _SPAN_KINDS}
    for kind, fields in _NESTED.items()
}
"""The same fields, without those in spans, resources and scopes."""


def _first_tag_bytes(nested: Mapping[str, _MessageFields]) -> tuple[int, ...]:
    """Return the bytes of which each message has one before its length."""
    tags = {number << 3 | _LENGTH_DELIMITED for fields in nested.values() for number in fields}
    return tuple(sorted({tag if tag < 0x80 else tag & 0x7F | 0x80 for tag in tags} | {_OVERLONG}))


_SPAN_TAGS, _ALL_TAGS = _first_tag_bytes(_SPANS), _first_tag_bytes(_NESTED)


def check_messages(body: bytes, most_messages: int = MOST_MESSAGES) -> None:
    """Raise UnreadableInputError if an ExportTraceServiceRequest has too many messages.

    The reason is too-many-messages, too-deep, or bad-protobuf for what cannot be counted. Most
    bodies are too short to be counted.
    """
    if (
        _at_most(body, _SPAN_TAGS, MOST_SPANS) > MOST_SPANS
        and _count(body, _SPANS, MOST_SPANS) > MOST_SPANS
    ):
        raise _too_many(f"{MOST_SPANS:,} spans and groups of spans")
    if (
        _at_most(body, _ALL_TAGS, most_messages) > most_messages
        and _count(body, _NESTED, most_messages) > most_messages
    ):
        raise _too_many(f"{most_messages:,} messages")


def decoded_together(bodies: Sequence[bytes]) -> Iterator[slice]:
    """Yield slices of the bodies that can be decoded in one call in bounded memory."""
    start = total = 0
    if sum(map(len, bodies)) // _SHORTEST > _TOGETHER:
        for at, body in enumerate(bodies):
            spans = _at_most(body, _SPAN_TAGS, 0)
            if at > start and total + spans > _TOGETHER:
                yield slice(start, at)
                start, total = at, 0
            total += spans
    if bodies:
        yield slice(start, len(bodies))


def check_values(document: bytes, most: int = MOST_MESSAGES) -> None:
    """Raise UnreadableInputError (too-many-messages) if a JSON document has too many values."""
    if (
        _at_most(document, _BEFORE_VALUES, most, shortest=1) > most
        and _count_values(document) > most
    ):
        raise _too_many(f"{most:,} JSON values")


def _at_most(body: bytes, tags: Sequence[int], enough: int, *, shortest: int = _SHORTEST) -> int:
    """Return an upper bound of the number of messages; a rough one if it is below `enough`."""
    rough = len(body) // shortest
    if rough <= enough:
        return rough
    data = np.frombuffer(body, np.uint8)
    return min(rough, sum(int(np.count_nonzero(data == tag)) for tag in tags))


def _count_values(document: bytes) -> int:
    """Count the values of a JSON document, or at least those before its first error."""
    unescaped = document.replace(b"\\\\", b"").replace(b'\\"', b"")
    data = np.frombuffer(unescaped, np.uint8)
    outside = ~np.logical_xor.accumulate(data == ord('"'))
    return sum(int(np.count_nonzero((data == byte) & outside)) for byte in _BEFORE_VALUES)


def _count(body: bytes, nested: Mapping[str, _MessageFields], enough: int) -> int:
    """Count the messages in these fields, each with those nested in it; stop above `enough`."""
    at, end, fields = 0, len(body), nested[_ROOT.full_name]
    outer: list[tuple[int, _MessageFields]] = []
    count = 0
    while count <= enough:
        if at == end:
            if not outer:
                break
            end, fields = outer.pop()
            continue
        number, start, at = _field(body, at, end)
        kind = fields.get(number)
        if kind is None:
            continue
        if len(outer) == MOST_LEVELS:
            raise UnreadableInputError(
                "too-deep",
                f"The body has messages that are nested more than {MOST_LEVELS} levels deep. Send"
                " flatter attribute values.",
            )
        count += 1
        if nested[kind]:
            outer.append((end, fields))
            end, at, fields = at, start, nested[kind]
    return count


def _field(body: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Return number, start and end of the field at this position; number 0 if it is a scalar."""
    tag, start = _varint(body, at, end)
    number, wire = tag >> 3, tag & 7
    if wire == _LENGTH_DELIMITED:
        length, start = _varint(body, start, end)
        after = start + length
    else:
        number = 0
        after = _varint(body, start, end)[1] if wire == 0 else start + _FIXED_BYTES.get(wire, end)
    if after > end:
        raise _not_protobuf()
    return number, start, after


def _varint(body: bytes, at: int, end: int) -> tuple[int, int]:
    """Return the varint at this position, and where it ends."""
    if at < end and body[at] < 0x80:
        return body[at], at + 1
    value = shift = 0
    while at < end and shift < 70:
        byte = body[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise _not_protobuf()


def _too_many(limit: str) -> UnreadableInputError:
    return UnreadableInputError(
        "too-many-messages", f"The body has more than {limit}. Send smaller requests."
    )


def _not_protobuf() -> UnreadableInputError:
    return UnreadableInputError(
        "bad-protobuf", "Not a protobuf OTLP trace request. Send an ExportTraceServiceRequest."
    )
