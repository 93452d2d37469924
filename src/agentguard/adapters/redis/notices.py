"""Notices between processes over Redis Pub/Sub, with one subscription per process."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog
from redis.asyncio.client import PubSub

from agentguard.adapters.redis.connection import (
    FAILURES,
    PAUSE_SECONDS,
    PREFIX,
    Connection,
    RedisUnavailableError,
)
from agentguard.coordination.notices import Notices

log = structlog.get_logger(__name__)

_PING_AFTER_SECONDS = 5.0
"""Silence after which the subscription is pinged: a connection can die without an error."""
_PING_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class RedisNotices:
    """Notices to local listeners directly, and to other processes through Redis.

    A process ignores its own messages when Redis delivers them back.
    """

    connection: Connection
    local: Notices
    """Notices within this process."""
    _sender: str = field(default_factory=lambda: secrets.token_hex(8))
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the first listener: a process that only publishes does not subscribe."""
    _subscribed: asyncio.Event = field(default_factory=asyncio.Event)

    async def publish(self, topic: str, text: str) -> None:
        await self.local.publish(topic, text)
        message = orjson.dumps({"sender": self._sender, "text": text})
        with suppress(RedisUnavailableError):
            await self.connection.execute(
                lambda redis: redis.publish(self._channels + topic, message)
            )

    @asynccontextmanager
    async def listen(self, topic: str) -> AsyncIterator[AsyncIterator[str]]:
        async with self.local.listen(topic) as heard:
            self._wanted.set()
            await self._wait_until_subscribed()
            yield heard

    async def follow(self) -> None:
        """Forward notices of other processes until cancelled; resubscribe after failures."""
        await self._wanted.wait()
        while True:
            try:
                await self._follow()
            except FAILURES as error:
                log.debug("notices_interrupted", reason=str(error))
            # Outermost frame of this loop: no message may stop the process.
            except Exception:
                log.exception("notices_failed")
            self._subscribed.clear()
            await asyncio.sleep(PAUSE_SECONDS)

    async def _follow(self) -> None:
        async with self.connection.redis.pubsub() as subscription:
            async with asyncio.timeout(self.connection.timeout_seconds):
                await subscription.psubscribe(f"{self._channels}*")
            async for message in self._messages(subscription):
                match message["type"]:
                    case "psubscribe":
                        self._subscribed.set()
                    case "pmessage":
                        await self._forward(message)

    async def _messages(self, subscription: PubSub) -> AsyncIterator[dict[str, Any]]:
        """Yield messages; ping after silence, and raise TimeoutError if no reply arrives."""
        pinged = False
        while True:
            message = await subscription.get_message(
                timeout=_PING_TIMEOUT_SECONDS if pinged else _PING_AFTER_SECONDS
            )
            if message is not None:
                pinged = False
                yield message
            elif pinged:
                raise TimeoutError("The subscription did not reply to a ping.")
            else:
                pinged = True
                async with asyncio.timeout(self.connection.timeout_seconds):
                    await subscription.ping()

    async def _forward(self, message: dict[str, Any]) -> None:
        """Forward a message to local listeners; ignore messages in a foreign format."""
        try:
            topic = message["channel"].decode().removeprefix(self._channels)
            match orjson.loads(message["data"]):
                case {"sender": str(sender), "text": str(text)} if sender != self._sender:
                    await self.local.publish(topic, text)
        except ValueError:
            log.debug("notice_malformed")

    async def _wait_until_subscribed(self) -> None:
        """Wait until subscribed, unless Redis is unavailable.

        From then on, no published notice is missed while the connection lasts.
        """
        if not self.connection.paused:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.connection.timeout_seconds):
                    await self._subscribed.wait()

    @property
    def _channels(self) -> str:
        """Prefix of channel names; Pub/Sub ignores the database, so its number is included."""
        return f"{PREFIX}notices:{self.connection.database}:"
