"""The write-ahead log: deliveries in append-only segment files.

A segment is the magic bytes, then records: length of the body (u32), CRC-32 of encoding and body
(u32), encoding (u8), body. All integers are little-endian. Bytes after the last complete record
were never acknowledged.
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from agentguard.adapters.files.locks import try_lock
from agentguard.traces.store import Delivery, Encoding

MAGIC = b"AGLOG\x00\x01\n"
SUFFIX = ".log"
_STALE_SECONDS = 3600
_RECORD = struct.Struct("<IIB")
_ENCODINGS = {1: Encoding.PROTOBUF, 2: Encoding.JSON}
_NUMBERS = {encoding: number for number, encoding in _ENCODINGS.items()}


class Segment:
    """A segment file that this process owns, and holds locked, while it is open.

    The lock shows other processes that the owner is alive.
    """

    def __init__(self, path: Path, handle: int) -> None:
        self.path, self._handle = path, handle

    @property
    def id(self) -> int:
        """Its start time (ns); later segments have higher ids."""
        return segment_id(self.path)

    def close(self) -> None:
        """Close the file, which releases its lock."""
        os.close(self._handle)


class SegmentWriter(Segment):
    """A segment open for appending."""

    def __init__(self, path: Path) -> None:
        """Create the file with mode 0600; raise FileExistsError if it exists."""
        super().__init__(
            path,
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600),
        )
        self.size = 0
        try:
            # Lock before the first byte is written: a process that can lock a non-empty file then
            # knows that its owner is dead. If such a process holds the lock right now to check,
            # abandon this still empty file.
            if not try_lock(self._handle):
                raise FileExistsError(path)
            self._write([MAGIC])
            sync_folder(path.parent)
        except OSError:
            self.close()
            path.unlink()
            raise

    def append(self, deliveries: Sequence[Delivery]) -> None:
        """Write all deliveries and sync once; on OSError the segment is unchanged."""
        self._write([part for delivery in deliveries for part in _record(delivery)])

    def _write(self, parts: Sequence[bytes]) -> None:
        try:
            for start in range(0, len(parts), 512):  # IOV_MAX is 1024
                _write_all(self._handle, parts[start : start + 512])
            os.fdatasync(self._handle)
        except OSError:
            os.ftruncate(self._handle, self.size)
            raise
        self.size += sum(map(len, parts))


def adopt(path: Path) -> Segment | None:
    """Take over a segment whose owner died and truncate its torn tail.

    Return None if its owner is alive, it no longer exists or it is empty. An empty segment that is
    at least an hour old is deleted.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if try_lock(handle) and path.exists():
        if os.fstat(handle).st_size:
            cut_torn_tail(path)
            return Segment(path, handle)
        if time.time() - os.fstat(handle).st_mtime > _STALE_SECONDS:
            path.unlink(missing_ok=True)
    os.close(handle)
    return None


def segments_in(folder: Path) -> list[Path]:
    """Return all segment files, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def segment_id(path: Path) -> int:
    return int(path.stem, 16)


def read_segment(path: Path) -> Iterator[Delivery]:
    """Yield the segment's records up to the first torn one."""
    with path.open("rb") as stream:
        for _, delivery in _records(stream, path.stat().st_size):
            yield delivery


def cut_torn_tail(path: Path) -> int:
    """Truncate the segment after its last complete record; return the bytes removed."""
    size = path.stat().st_size
    with path.open("rb+") as stream:
        end = max(
            (end for end, _ in _records(stream, size)),
            default=len(MAGIC) if _has_magic(stream) else 0,
        )
        if end < size:
            stream.truncate(end)
            os.fsync(stream.fileno())
    return size - end


def sync_folder(folder: Path) -> None:
    """Make creations, renames and deletions in the folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _record(delivery: Delivery) -> tuple[bytes, bytes]:
    number = _NUMBERS[delivery.encoding]
    return _RECORD.pack(len(delivery.body), _checksum(number, delivery.body), number), delivery.body


def _checksum(number: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(bytes([number])))


def _records(stream: BinaryIO, size: int) -> Iterator[tuple[int, Delivery]]:
    """Yield each complete record with the offset of its end."""
    if not _has_magic(stream):
        return
    end = len(MAGIC)
    while len(head := stream.read(_RECORD.size)) == _RECORD.size:
        length, checksum, number = _RECORD.unpack(head)
        end += _RECORD.size + length
        if end > size or number not in _ENCODINGS:
            return
        body = stream.read(length)
        if _checksum(number, body) != checksum:
            return
        yield end, Delivery(body, _ENCODINGS[number])


def _has_magic(stream: BinaryIO) -> bool:
    stream.seek(0)
    return stream.read(len(MAGIC)) == MAGIC


def _write_all(handle: int, parts: Sequence[bytes]) -> None:
    rest = [memoryview(part) for part in parts]
    while rest:
        written = os.writev(handle, rest)
        while rest and written >= len(rest[0]):
            written -= len(rest.pop(0))
        if rest:
            rest[0] = rest[0][written:]
