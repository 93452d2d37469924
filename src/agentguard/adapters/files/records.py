"""The format of the write-ahead log's segments: what is damaged does not hide what follows it.

A segment is a header: magic (8 bytes), salt (8), CRC-32 of both; then records: mark (4), the
segment's salt (8), number (u32, from 0), length of the body (u32), encoding (u8), CRC-32 of the
body (u32), CRC-32 of the record so far (u32), body. All integers are little-endian. A reader that
meets damage looks for the next mark with the salt; telemetry cannot contain it, since the salt is
random. The numbers tell how many records are missing. Bytes at the end that begin a record and
break off were never acknowledged.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agentguard.traces.store import Delivery, Encoding

MAGIC = b"AGLOG\x00\x02\n"
_FORMER_MAGIC = b"AGLOG\x00\x01\n"
_MARK = b"\xf1AG\x02"
_SALT_BYTES = 8
_CRC = struct.Struct("<I")
_FIELDS = struct.Struct("<IIBI")
_FORMER = struct.Struct("<IIB")
HEADER_BYTES = len(MAGIC) + _SALT_BYTES + _CRC.size
_MARKER_BYTES = len(_MARK) + _SALT_BYTES
RECORD_BYTES = _MARKER_BYTES + _FIELDS.size + _CRC.size
"""Bytes of a record beside its body."""
_ENCODINGS = {1: Encoding.PROTOBUF, 2: Encoding.JSON}
_NUMBERS = {encoding: number for number, encoding in _ENCODINGS.items()}


@dataclass(frozen=True, slots=True)
class SegmentContent:
    """What a segment holds."""

    deliveries: tuple[Delivery, ...]
    lost: int = 0
    """Records that are damaged or missing, at least."""
    damaged: bool = False
    """Whether anything but a write that broke off is wrong with the file."""
    incomplete_bytes: int = 0
    """Length of a record at the end that breaks off."""


def new_salt() -> bytes:
    return os.urandom(_SALT_BYTES)


def header(salt: bytes) -> bytes:
    return MAGIC + salt + _CRC.pack(zlib.crc32(MAGIC + salt))


def record(salt: bytes, number: int, delivery: Delivery) -> tuple[bytes, bytes]:
    """Return a record's header and its body."""
    body = delivery.body
    fields = _FIELDS.pack(number, len(body), _NUMBERS[delivery.encoding], zlib.crc32(body))
    start = _MARK + salt + fields
    return start + _CRC.pack(zlib.crc32(start)), body


def parse(content: bytes) -> SegmentContent:
    """Return every record that is not damaged; never raises."""
    salt = _salt(content)
    if salt is not None:
        return _Reading(content, salt).result(HEADER_BYTES)
    if MAGIC.startswith(content[: len(MAGIC)]) and len(content) < HEADER_BYTES:
        return SegmentContent((), incomplete_bytes=len(content))  # its creation broke off
    salt = _most_frequent_salt(content)
    if salt is not None:
        return _Reading(content, salt, damaged=True).result(0)
    former = _parse_former(content)
    if content.startswith(_FORMER_MAGIC):
        return former
    return SegmentContent(former.deliveries, max(former.lost, 1), damaged=True)


@dataclass(slots=True)
class _Start:
    """A record's header that its checksum confirms."""

    number: int
    length: int
    encoding: int
    checksum: int


class _Reading:
    """One pass over a segment's records."""

    def __init__(self, content: bytes, salt: bytes, *, damaged: bool = False) -> None:
        self._content, self._marker, self._damaged = content, _MARK + salt, damaged
        self._found: list[Delivery] = []
        self._known = 0
        """Records up to the last one whose header is whole."""
        self._end = 0
        """End of that record."""

    def result(self, start: int) -> SegmentContent:
        self._end = at = start
        while (at := self._content.find(self._marker, at)) >= 0:
            at = self._take(at)
        rest = self._content[self._end :]
        broken_off = self._breaks_off(rest)
        if rest and not broken_off:
            self._known += max(rest.count(self._marker), 1)
        lost = max(self._known - len(self._found), 0)
        incomplete = len(rest) if broken_off else 0
        damaged = self._damaged or lost > 0
        return SegmentContent(tuple(self._found), lost, damaged, incomplete)

    def _take(self, at: int) -> int:
        """Take the record at this offset if it is whole; return where to go on."""
        start = _start(self._content, at)
        body = at + RECORD_BYTES
        if start is None or body + start.length > len(self._content):
            return at + 1
        delivery = self._content[body : body + start.length]
        if at > self._end and self._known == start.number:
            self._damaged = True  # something between two records, although none is missing
        self._known, self._end = max(self._known, start.number + 1), body + start.length
        if zlib.crc32(delivery) == start.checksum and start.encoding in _ENCODINGS:
            self._found.append(Delivery(delivery, _ENCODINGS[start.encoding]))
        return self._end

    def _breaks_off(self, rest: bytes) -> bool:
        """Return whether the rest is the start of a record, or a block that was never written."""
        if not rest.strip(b"\0"):
            return True
        if not self._marker.startswith(rest[:_MARKER_BYTES]):
            return False
        start = _start(rest, 0)
        return len(rest) < RECORD_BYTES or (
            start is not None and RECORD_BYTES + start.length > len(rest)
        )


def _start(content: bytes, at: int) -> _Start | None:
    packed = content[at : at + RECORD_BYTES]
    if len(packed) < RECORD_BYTES:
        return None
    (checksum,) = _CRC.unpack_from(packed, RECORD_BYTES - _CRC.size)
    if zlib.crc32(packed[: -_CRC.size]) != checksum:
        return None
    return _Start(*_FIELDS.unpack_from(packed, _MARKER_BYTES))


def _salt(content: bytes) -> bytes | None:
    """Return the salt that the header names, or None if the header is damaged."""
    salt = content[len(MAGIC) : len(MAGIC) + _SALT_BYTES]
    return salt if content.startswith(MAGIC) and content[:HEADER_BYTES] == header(salt) else None


def _most_frequent_salt(content: bytes) -> bytes | None:
    """Return the salt of most records, for a segment whose header is damaged."""
    found = Counter(_salts(content)).most_common(1)
    return found[0][0] if found else None


def _salts(content: bytes) -> Iterator[bytes]:
    at = content.find(_MARK)
    while at >= 0:
        if _start(content, at) is not None:
            yield content[at + len(_MARK) : at + _MARKER_BYTES]
        at = content.find(_MARK, at + 1)


def _parse_former(content: bytes) -> SegmentContent:
    """Parse the format of earlier versions: length, CRC-32 of encoding and body, encoding, body.

    It has no marks, so what follows damage cannot be found.
    """
    found: list[Delivery] = []
    at = len(_FORMER_MAGIC)
    while len(content) >= at + _FORMER.size:
        length, checksum, number = _FORMER.unpack_from(content, at)
        end = at + _FORMER.size + length
        body = content[at + _FORMER.size : end]
        if end > len(content):
            break
        if number not in _ENCODINGS or zlib.crc32(body, zlib.crc32(bytes([number]))) != checksum:
            return SegmentContent(tuple(found), 1, damaged=True)
        found.append(Delivery(body, _ENCODINGS[number]))
        at = end
    return SegmentContent(tuple(found), incomplete_bytes=max(len(content) - at, 0))


def records(salt: bytes, first: int, deliveries: Sequence[Delivery]) -> list[bytes]:
    """Return the bytes of consecutive records, in parts."""
    return [
        part
        for number, delivery in enumerate(deliveries, first)
        for part in record(salt, number, delivery)
    ]
