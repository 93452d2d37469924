"""Decompression of gzip and zstd, detected by magic bytes, in bounded memory."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator

import zstandard

from agentguard.ingest.errors import InputTooLargeError, UnreadableInputError

CHUNK = 1 << 20
"""Approximate output chunk size in bytes; a single decompression step stays below 32 times this."""

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

# A zstd block of 4 bytes can expand to 128 KiB, so one input chunk expands to at most 32 MiB.
_ZSTD_INPUT = 1 << 10
_ZSTD_WINDOW = 1 << 27


def decompressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Return the decompressed content of the chunks.

    Handles gzip (RFC 1952) and zstd (RFC 8878) with several members; other content passes through.
    Yields everything before the first error, then raises UnreadableInputError with reason
    truncated-gzip, corrupt-gzip, truncated-zstd or corrupt-zstd. Zero bytes after the last gzip
    member are padding.
    """
    source = iter(chunks)
    head = _at_least(source, len(ZSTD_MAGIC))
    whole = itertools.chain([head], source)
    if head.startswith(GZIP_MAGIC):
        return _gunzipped(whole)
    if head.startswith(ZSTD_MAGIC):
        return _unzstd(whole)
    return (chunk for chunk in whole if chunk)


def at_most(limit: int | None, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks; raise InputTooLargeError when their total exceeds the limit (bytes)."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if limit is not None and size > limit:
            raise InputTooLargeError.over(limit)
        yield chunk


def joined(chunks: Iterable[bytes], limit: int) -> bytes:
    """Return the concatenated chunks; raise UnreadableInputError above the limit (bytes)."""
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > limit:
            raise too_large(limit)
    return bytes(content)


def too_large(limit: int) -> UnreadableInputError:
    return UnreadableInputError(
        "body-too-large",
        f"A protobuf body or Parquet file is longer than {limit >> 20} MiB. Export smaller batches,"
        " or split the export.",
    )


def _corrupt(kind: str, error: Exception) -> UnreadableInputError:
    return UnreadableInputError(
        f"corrupt-{kind}",
        f"The {kind} data is corrupt ({error}); the complete records before it were used.",
    )


def _truncated(kind: str) -> UnreadableInputError:
    return UnreadableInputError(
        f"truncated-{kind}",
        f"The {kind} data is truncated; the complete records before the end were used."
        " Copy the file again.",
    )


def _at_least(source: Iterator[bytes], size: int) -> bytes:
    head = b""
    while len(head) < size:
        chunk = next(source, None)
        if chunk is None:
            break
        head += chunk
    return head


def _gunzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(wbits=31)
    started = padding = False
    for chunk in chunks:
        rest = chunk
        while rest:
            if not started and padding:
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
            started = True
            try:
                yield member.decompress(rest, CHUNK)
            except zlib.error as error:
                raise _corrupt("gzip", error) from error
            rest = member.unconsumed_tail
            if member.eof:
                rest = member.unused_data
                member = zlib.decompressobj(wbits=31)
                started, padding = False, True
    yield from _drained(member) if started else ()
    if started:
        raise _truncated("gzip")


def _drained(member: zlib._Decompress) -> Iterator[bytes]:
    """Yield the output that the member still buffers, at most one window."""
    rest = member.flush()
    if rest:
        yield rest


def _unzstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    frame = decompressor.decompressobj()
    started = False
    for chunk in chunks:
        for at in range(0, len(chunk), _ZSTD_INPUT):
            rest = chunk[at : at + _ZSTD_INPUT]
            while rest:
                started = True
                try:
                    out = frame.decompress(rest)
                except zstandard.ZstdError as error:
                    raise _corrupt("zstd", error) from error
                if out:
                    yield out
                rest = frame.unused_data if frame.eof else b""
                if frame.eof:
                    frame, started = decompressor.decompressobj(), False
    if started:
        raise _truncated("zstd")
