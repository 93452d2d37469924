"""Parquet files with a checksum: a reader finds every flipped byte before it parses any.

The checksum, a tag (8 bytes) and the CRC-32 of all other bytes of the file, is at the end of the
footer, just before its length and `PAR1`. The footer's metadata ends by itself, so readers of
Parquet ignore what follows it. Files of earlier versions have no checksum.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

_TAG = b"AGCRC32\n"
_MAGIC = b"PAR1"
_CRC = struct.Struct("<I")
_LENGTH = struct.Struct("<I")
_TAIL_BYTES = _LENGTH.size + len(_MAGIC)
_CHECKSUM_BYTES = len(_TAG) + _CRC.size
_CHUNK_BYTES = 1024 * 1024
_OF_THE_PROCESS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.ENOSPC, errno.EDQUOT}
)
"""Errors that say nothing about the file."""


class UnreadableParquetError(Exception):
    """The file is damaged, or is not of this kind."""


def write_parquet(stream: BinaryIO, table: pa.Table) -> None:
    """Write a table with its checksum to an empty file, open also for reading, and sync it."""
    pq.write_table(table, stream, compression="zstd")
    size = stream.seek(-_TAIL_BYTES, os.SEEK_END)
    (length,) = _LENGTH.unpack(stream.read(_LENGTH.size))
    tail = _LENGTH.pack(length + _CHECKSUM_BYTES) + _MAGIC
    stream.seek(size)
    stream.write(_TAG)
    checksum = _checksum(stream, size + len(_TAG), tail)
    stream.seek(size + len(_TAG))
    stream.write(_CRC.pack(checksum) + tail)
    stream.flush()
    os.fsync(stream.fileno())


def verify(path: Path) -> bool:
    """Compare the file with its checksum; return False if it has none.

    Raises UnreadableParquetError, FileNotFoundError, and OSError where the process, not the file,
    is the reason.
    """
    with readable(), path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END) - _TAIL_BYTES - _CHECKSUM_BYTES
        if size < 0:
            raise UnreadableParquetError("it is too short")
        stream.seek(size)
        end = stream.read()
        checksum, tail = end[len(_TAG) : _CHECKSUM_BYTES], end[_CHECKSUM_BYTES:]
        if not end.startswith(_TAG):
            return False
        if _CRC.pack(_checksum(stream, size + len(_TAG), tail)) != checksum:
            raise UnreadableParquetError("its checksum is wrong")
        return True


@contextmanager
def readable() -> Iterator[None]:
    """Raise UnreadableParquetError for what reading a damaged or foreign file raises."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in _OF_THE_PROCESS:
            raise
        raise UnreadableParquetError(error.strerror or str(error)) from error
    except MemoryError:
        raise
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise UnreadableParquetError(str(error).partition("\n")[0]) from error


def _checksum(stream: BinaryIO, size: int, tail: bytes) -> int:
    """Return the CRC-32 of the first `size` bytes and the tail."""
    stream.seek(0)
    checksum, left = 0, size
    while left and (chunk := stream.read(min(left, _CHUNK_BYTES))):
        checksum, left = zlib.crc32(chunk, checksum), left - len(chunk)
    return zlib.crc32(tail, checksum)
