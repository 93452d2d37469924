"""The cache shared by processes through Redis."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass

import zstandard

from agentguard.adapters.redis.connection import PREFIX, Connection, RedisUnavailableError
from agentguard.coordination.cache import KEPT_SECONDS, MOST_BYTES

_CHECKSUM_BYTES = 16
_STORED_BYTES = 4 * 1024 * 1024
"""Maximum compressed size of one value; ample for a document of MOST_BYTES."""


@dataclass(frozen=True, slots=True)
class RedisCache:
    """A Cache of zstd-compressed bytes; nothing is unpickled.

    Each value is prefixed with a checksum of its key and content; a mismatch counts as a miss.
    The checksum detects corruption and foreign keys, not forgery: anyone who can write to the
    Redis database can forge cached answers.
    """

    connection: Connection

    async def get(self, key: str) -> bytes | None:
        try:
            # GETRANGE bounds what is read if a foreign value is stored under this key.
            stored = await self.connection.execute(
                lambda redis: redis.getrange(_key(key), 0, _STORED_BYTES - 1)
            )
        except RedisUnavailableError:
            return None
        return await asyncio.to_thread(_unpack, key, stored) if stored else None

    async def put(self, key: str, value: bytes) -> None:
        stored = await asyncio.to_thread(_pack, key, value) if len(value) <= MOST_BYTES else b""
        with suppress(RedisUnavailableError):
            if 0 < len(stored) <= _STORED_BYTES:
                await self.connection.execute(
                    lambda redis: redis.set(_key(key), stored, ex=KEPT_SECONDS)
                )
            else:
                await self.connection.execute(lambda redis: redis.delete(_key(key)))


def _key(key: str) -> str:
    return f"{PREFIX}cache:{key}"


def _pack(key: str, value: bytes) -> bytes:
    packed = zstandard.compress(value, 1)
    return _checksum(key, packed) + packed


def _unpack(key: str, stored: object) -> bytes | None:
    if not isinstance(stored, bytes):  # the server is not Redis
        return None
    checksum, packed = stored[:_CHECKSUM_BYTES], stored[_CHECKSUM_BYTES:]
    try:
        if checksum != _checksum(key, packed) or zstandard.frame_content_size(packed) > MOST_BYTES:
            return None
        return zstandard.decompress(packed)
    except zstandard.ZstdError:
        return None


def _checksum(key: str, packed: bytes) -> bytes:
    return hashlib.blake2b(key.encode() + b"\0" + packed, digest_size=_CHECKSUM_BYTES).digest()
