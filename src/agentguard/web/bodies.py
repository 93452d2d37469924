"""Request bodies: limited in size while they are received and decompressed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Callable, Iterator
from typing import BinaryIO

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentguard.ingest.compression import GZIP_MAGIC, ZSTD_MAGIC, at_most, decompressed
from agentguard.ingest.errors import InputTooLargeError, UnreadableInputError
from agentguard.kernel.errors import AgentGuardError, InvalidInputError
from agentguard.web.connections import SLOW_BODY_SECONDS

_MAGIC = {"gzip": GZIP_MAGIC, "x-gzip": GZIP_MAGIC, "zstd": ZSTD_MAGIC}
_SLICE = 64 * 1024
_PART = 1 << 20

MOST_EXPANSION = 250
"""How often larger than sent a body may become. Spans, each with random ids, stay far below it;
gzip reaches 1,032, zstd far more.
"""
_FREE_BYTES = 4 << 20
"""Decompressed size up to which the expansion is not checked."""

_SLOW_BYTES_PER_SECOND = 500
"""The slowest body that is received, after its first seconds: as in Apache's mod_reqtimeout
(`body=20,MinRate=500`).
"""


class BodyTooSlowError(AgentGuardError):
    """The body arrives too slowly."""

    code = "body-too-slow"
    status = 408

    def __init__(self) -> None:
        super().__init__(
            f"The body arrived at less than {_SLOW_BYTES_PER_SECOND} bytes per second. Send it"
            " again, over a faster connection."
        )


MOST_JSON_BYTES = 2 * 1024 * 1024
"""The largest body that becomes JSON in memory: twice what a simulation of 200 components takes,
if each has a name of 1,000 characters and each character is escaped.
"""


class BodyLimit:
    """ASGI middleware that receives no body that is too slow or beyond the limit.

    Paths below `except_below` have size limits of their own. Reading on raises BodyTooSlowError or
    InputTooLargeError, which FastAPI wraps and `answer_http_error` unwraps.
    """

    def __init__(self, app: ASGIApp, *, limit: int, except_below: tuple[str, ...]) -> None:
        self._app, self._limit, self._except_below = app, limit, except_below

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            receive = in_time(receive)
            if not scope["path"].startswith(self._except_below):
                receive = self._counted(receive)
        await self._app(scope, receive, send)

    def _counted(self, receive: Receive) -> Receive:
        received = 0

        async def count() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise InputTooLargeError.over(self._limit)
            return message

        return count


def in_time(receive: Receive, *, slow_seconds: float = SLOW_BODY_SECONDS) -> Receive:
    """Return `receive`, which raises BodyTooSlowError if the client sends too slowly.

    Only time spent waiting for the client counts: `slow_seconds`, which bytes received give back.
    """
    left, complete = slow_seconds, False

    async def receive_in_time() -> Message:
        nonlocal left, complete
        if complete:  # what comes now is the end of the connection
            return await receive()
        began = time.monotonic()
        try:
            async with asyncio.timeout(left):
                message = await receive()
        except TimeoutError:
            raise BodyTooSlowError from None
        gained = len(message.get("body", b"")) / _SLOW_BYTES_PER_SECOND
        left = min(left - (time.monotonic() - began) + gained, slow_seconds)
        complete = not message.get("more_body", False)
        return message

    return receive_in_time


class UnknownEncodingError(AgentGuardError):
    """The Content-Encoding is not supported."""

    code = "unknown-content-encoding"
    status = 415

    def __init__(self, encoding: str) -> None:
        super().__init__(f"Content-Encoding {encoding!r} is not supported. Use gzip, zstd or none.")


class DamagedBodyError(InvalidInputError):
    """The body does not match its Content-Encoding."""

    code = "damaged-body"


def content_encoding(headers: Headers) -> str | None:
    """Return gzip, x-gzip, zstd or None; raise UnknownEncodingError for anything else."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return None
    if encoding not in _MAGIC:
        raise UnknownEncodingError(encoding)
    return encoding


async def receive(
    stream: AsyncIterable[bytes],
    headers: Headers,
    limit: int,
    into: BinaryIO,
    grow: Callable[[int], None],
) -> None:
    """Write the body as sent to a file; call `grow` with the size of each chunk before keeping it.

    Raise InputTooLargeError above the limit.
    """
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise InputTooLargeError.over(limit)
    received = 0
    async for chunk in stream:
        received += len(chunk)
        if received > limit:
            raise InputTooLargeError.over(limit)
        grow(len(chunk))
        into.write(chunk)


async def unpacked(
    body: bytes, encoding: str | None, limit: int, grow: Callable[[int], None]
) -> bytes:
    """Return the decompressed body; call `grow` with the size of each part before keeping it.

    Raise InputTooLargeError above the limit or if the body expands too much, and DamagedBodyError.
    """
    if encoding is None:
        return body
    slices = (body[start : start + _SLICE] for start in range(0, len(body), _SLICE))
    chunks = _unpacked_chunks(slices, encoding, limit)
    content, complete = bytearray(), False
    while not complete:
        part, complete = await asyncio.to_thread(_next_part, chunks)
        grow(len(part))
        content += part
    return bytes(content)


def unpack(source: BinaryIO, encoding: str, limit: int, into: BinaryIO) -> None:
    """Decompress a file into another, under the same rules as `unpacked`."""
    into.writelines(_unpacked_chunks(iter(lambda: source.read(_SLICE), b""), encoding, limit))


def _next_part(chunks: Iterator[bytes]) -> tuple[bytes, bool]:
    """Return about a MiB of the content, and whether it ends there."""
    part = bytearray()
    for chunk in chunks:
        part += chunk
        if len(part) >= _PART:
            return bytes(part), False
    return bytes(part), True


def _unpacked_chunks(slices: Iterator[bytes], encoding: str, limit: int) -> Iterator[bytes]:
    packed = size = 0

    def counted() -> Iterator[bytes]:
        nonlocal packed
        for piece in slices:
            packed += len(piece)
            yield piece

    try:
        for chunk in at_most(limit, _checked(counted(), encoding)):
            size += len(chunk)
            if size > max(_FREE_BYTES, packed * MOST_EXPANSION):
                raise InputTooLargeError.expands(MOST_EXPANSION)
            yield chunk
    except UnreadableInputError as error:
        raise DamagedBodyError(str(error)) from error


def _checked(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the content; raise DamagedBodyError if the magic number is not the encoding's."""
    head = next(chunks, b"")
    if not head.startswith(_MAGIC[encoding]):
        raise DamagedBodyError(
            f"Content-Encoding is {encoding}, but the body is not {encoding} data."
        )
    yield from decompressed(_with(head, chunks))


def _with(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest
