"""OTLP protobuf files: one body or length-prefixed bodies, read in bounded memory.

An ExportTraceServiceRequest consists only of repeated field 1 (ResourceSpans), and two concatenated
requests are one request (protobuf, "Encoding", "Last One Wins"), so a body of any size can be split
between these fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum, auto

from agentguard.ingest.compression import too_large
from agentguard.ingest.errors import UnreadableInputError

MAX_BODY_BYTES = 128 << 20
"""Maximum size of a length-prefixed body and of a single ResourceSpans."""

_SPLIT_BYTES = 1 << 20
_RESOURCE_SPANS = b"\x0a"  # field 1, length-delimited
_RESOURCE_SPANS_FIELDS = (0x0A, 0x12, 0x1A)  # resource, scope_spans, schema_url
_LENGTH_BYTES = 4
_LONGEST_VARINT = 10
_COMPRESSED = (b"\x28\xb5\x2f\xfd", b"\x1f\x8b")

LengthAt = Callable[[bytes | bytearray, int], tuple[int, int]]
"""Reads the length at a position: returns the length (-1: incomplete) and where it ends."""


class Form(Enum):
    """Framing of bodies in a file."""

    RAW = auto()
    """Concatenated bodies without framing."""
    DELIMITED = auto()
    """Varint length prefix (protobuf's delimited streams)."""
    FRAMED = auto()
    """Four-byte big-endian length prefix (the Collector's file exporter: proto, or compressed)."""


def form_of(head: bytes) -> Form | None:
    """Return the framing of a file with this head (some KiB or all), or None if not OTLP."""
    try:
        # No protobuf message starts with a byte below 8.
        if len(head) > _LENGTH_BYTES and head[0] < 8 and _is_frame(head):
            return Form.FRAMED
        length, at = _varint(head, 0)
        if _is_request(head):
            return Form.RAW
        return (
            Form.DELIMITED
            if 0 < length <= MAX_BODY_BYTES and _is_request(head[at:], length)
            else None
        )
    except UnreadableInputError:
        return None


def bodies(chunks: Iterable[bytes], form: Form) -> Iterator[bytes]:
    """Yield bodies, split and joined where the framing allows it; contents are not validated.

    If the input is truncated, complete bodies are yielded before UnreadableInputError is raised.
    """
    match form:
        case Form.RAW:
            return _raw(chunks)
        case Form.DELIMITED:
            return _prefixed(chunks, _varint)
        case Form.FRAMED:
            return _prefixed(chunks, _fixed_length)


def holds_spans(body: bytes) -> bool:
    """Return whether the first record can be a span rather than an OTLP log record or metric.

    The bodies of all signals have the same structure. Log records have a fixed64 time in field 1 or
    11 near the start; metrics have neither fixed64 times nor a 16-byte first field. Bodies without
    records return True.
    """
    record = body
    for number in (1, 2, 2):  # resource_*, scope_*, the records
        record = next(
            (value for field, wire, value in _fields(record) if field == number and wire == 2), b""
        )
    found = {(field, wire): value for field, wire, value in _fields(record)}
    if not found:
        return True
    return (
        (1, 1) not in found
        and (11, 1) not in found
        and ((7, 1) in found or (8, 1) in found or len(found.get((1, 2), b"")) == 16)
    )


def _is_frame(head: bytes) -> bool:
    length, at = _fixed_length(head, 0)
    inner = head[at:]
    if not 0 < length <= MAX_BODY_BYTES:
        return False
    return inner[:1] == b"{" or inner.startswith(_COMPRESSED) or _is_request(inner, length)


def _is_request(head: bytes, size: int | None = None) -> bool:
    """Return whether the bytes can be the head of a request (of this size, if known).

    A ResourceSpans with a known first field, followed by another one or by the end.
    """
    length, at = _varint(head, 1)
    end = at + length
    if head[:1] != _RESOURCE_SPANS or length < 0 or (size is not None and end > size):
        return False
    if length and at < len(head) and head[at] not in _RESOURCE_SPANS_FIELDS:
        return False
    return end >= min(len(head), size or len(head)) or head[end] == _RESOURCE_SPANS[0]


def _raw(chunks: Iterable[bytes]) -> Iterator[bytes]:
    buffer = bytearray()
    try:
        for chunk in chunks:
            buffer += chunk
            if len(buffer) >= _SPLIT_BYTES:
                yield from _whole_fields(buffer)
    except UnreadableInputError:
        yield from _whole_fields(buffer)
        raise
    if buffer:
        yield bytes(buffer)


def _whole_fields(buffer: bytearray) -> Iterator[bytes]:
    """Remove the complete fields at the start of the buffer and yield them as one body."""
    end = 0
    while following := _field_end(buffer, end):
        end = following
    if end:
        yield bytes(buffer[:end])
        del buffer[:end]
    if len(buffer) > MAX_BODY_BYTES:
        raise too_large(MAX_BODY_BYTES)


def _prefixed(chunks: Iterable[bytes], length_at: LengthAt) -> Iterator[bytes]:
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        at = 0
        while (found := _prefixed_end(buffer, at, length_at)) is not None:
            start, at = found
            if at > start:
                yield bytes(buffer[start:at])
        del buffer[:at]
    if buffer:
        raise UnreadableInputError(
            "truncated-body", "The file ends inside a body; the bodies before it were used."
        )


def _prefixed_end(buffer: bytearray, at: int, length_at: LengthAt) -> tuple[int, int] | None:
    """Return start and end of the next body, or None if it is incomplete."""
    length, start = length_at(buffer, at)
    if length > MAX_BODY_BYTES:
        raise too_large(MAX_BODY_BYTES)
    return (start, start + length) if 0 <= length <= len(buffer) - start else None


def _field_end(data: bytes | bytearray, at: int) -> int:
    """Return the end of the field at this position, or 0 if the field is incomplete.

    Raises UnreadableInputError if no field starts here.
    """
    tag, after = _varint(data, at)
    if tag < 0:
        return 0
    match tag & 7:
        case 0:
            value, end = _varint(data, after)
            return end if value >= 0 else 0
        case 1 | 5 as wire:
            end = after + (8 if wire == 1 else 4)
        case 2:
            length, start = _varint(data, after)
            end = start + length if length >= 0 else len(data) + 1
        case _:
            raise _not_protobuf()
    return end if end <= len(data) else 0


def _fields(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield number, wire type and bytes of the message's fields, up to the first error.

    The bytes are empty unless the field is length-delimited.
    """
    at = 0
    try:
        while end := _field_end(message, at):
            tag, after = _varint(message, at)
            start = _varint(message, after)[1] if tag & 7 == 2 else end
            yield tag >> 3, tag & 7, message[start:end]
            at = end
    except UnreadableInputError:
        return


def _varint(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Return the varint at this position and its end; (-1, at) if it is incomplete.

    Raises UnreadableInputError if it has more than ten bytes.
    """
    value = 0
    for place, byte in enumerate(data[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    if len(data) - at >= _LONGEST_VARINT:
        raise _not_protobuf()
    return -1, at


def _not_protobuf() -> UnreadableInputError:
    return UnreadableInputError(
        "bad-protobuf",
        "Invalid protobuf: from some byte on, not an OTLP trace body; the data before it was used.",
    )


def _fixed_length(data: bytes | bytearray, at: int) -> tuple[int, int]:
    start = at + _LENGTH_BYTES
    return (int.from_bytes(data[at:start], "big"), start) if len(data) >= start else (-1, at)
