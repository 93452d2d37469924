"""The cache that processes share through Redis."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass

import zstandard

from agentguard.adapters.redis.connection import PREFIX, Connection, RedisAwayError
from agentguard.coordination.cache import KEPT_SECONDS, MOST_BYTES

_SEAL_BYTES = 16
_STORED_BYTES = 4 * 1024 * 1024
"""Of one value in Redis, packed: what documents as large as may be kept need, with room to spare.
"""


@dataclass(frozen=True, slots=True)
class RedisCache:
    """A Cache of plain bytes, packed, never unpickled.

    Each stands behind a checksum of its key and itself: anything else is not there.

    That finds damage and strangers' keys, no forgery: who may write to this database may forge
    answers.
    """

    connection: Connection

    async def get(self, key: str) -> bytes | None:
        try:
            # Not GET: whatever stands there, no more than can be ours is read.
            stored = await self.connection.ask(
                lambda redis: redis.getrange(_name(key), 0, _STORED_BYTES - 1)
            )
        except RedisAwayError:
            return None
        return await asyncio.to_thread(_opened, key, stored) if stored else None

    async def put(self, key: str, value: bytes) -> None:
        stored = await asyncio.to_thread(_sealed, key, value) if len(value) <= MOST_BYTES else b""
        with suppress(RedisAwayError):
            if 0 < len(stored) <= _STORED_BYTES:
                await self.connection.ask(
                    lambda redis: redis.set(_name(key), stored, ex=KEPT_SECONDS)
                )
            else:
                await self.connection.ask(lambda redis: redis.delete(_name(key)))


def _name(key: str) -> str:
    return f"{PREFIX}cache:{key}"


def _sealed(key: str, value: bytes) -> bytes:
    packed = zstandard.compress(value, 1)
    return _seal(key, packed) + packed


def _opened(key: str, stored: object) -> bytes | None:
    if not isinstance(stored, bytes):  # what answers is no Redis
        return None
    seal, packed = stored[:_SEAL_BYTES], stored[_SEAL_BYTES:]
    try:
        if seal != _seal(key, packed) or zstandard.frame_content_size(packed) > MOST_BYTES:
            return None
        return zstandard.decompress(packed)
    except zstandard.ZstdError:
        return None


def _seal(key: str, packed: bytes) -> bytes:
    return hashlib.blake2b(key.encode() + b"\0" + packed, digest_size=_SEAL_BYTES).digest()
