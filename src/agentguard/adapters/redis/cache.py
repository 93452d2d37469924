"""The cache that processes share through Redis."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass

from agentguard.adapters.redis.connection import PREFIX, Connection, RedisAwayError
from agentguard.coordination.cache import KEPT_SECONDS, MOST_BYTES

_SEAL_BYTES = 16


@dataclass(frozen=True, slots=True)
class RedisCache:
    """A Cache of plain bytes, never unpickled. Each stands behind a checksum of its key and itself: what was not put so is not there.

    That finds damage and strangers' keys, no forgery: who may write to this database may forge answers.
    """

    connection: Connection

    async def get(self, key: str) -> bytes | None:
        try:
            # Not GET: whatever stands there, no more than can be ours is read.
            stored = await self.connection.ask(lambda redis: redis.getrange(_name(key), 0, _SEAL_BYTES + MOST_BYTES - 1))
        except RedisAwayError:
            return None
        return _opened(key, stored)

    async def put(self, key: str, value: bytes) -> None:
        with suppress(RedisAwayError):
            if len(value) > MOST_BYTES:
                await self.connection.ask(lambda redis: redis.delete(_name(key)))
            else:
                await self.connection.ask(lambda redis: redis.set(_name(key), _seal(key, value) + value, ex=KEPT_SECONDS))


def _opened(key: str, stored: object) -> bytes | None:
    if not isinstance(stored, bytes):  # what answers is no Redis
        return None
    seal, value = stored[:_SEAL_BYTES], stored[_SEAL_BYTES:]
    return value if seal == _seal(key, value) else None


def _name(key: str) -> str:
    return f"{PREFIX}cache:{key}"


def _seal(key: str, value: bytes) -> bytes:
    seal = hashlib.blake2b(key.encode() + b"\0", digest_size=_SEAL_BYTES)
    seal.update(value)
    return seal.digest()
