"""Notices between processes: Redis's channels, one subscription for all topics and all listeners of
a process.
"""

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
    RedisAwayError,
)
from agentguard.coordination.notices import Notices

log = structlog.get_logger(__name__)

_QUIET_SECONDS = 5.0
"""Without a word, after which the subscription is asked whether it lives: a connection may die
without a sign.
"""
_ANSWER_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class RedisNotices:
    """Notices that go to this process's listeners directly, and to those of others through Redis,
    whose echo of our own is not heard.
    """

    connection: Connection
    near: Notices
    """Of this process."""
    _sender: str = field(default_factory=lambda: secrets.token_hex(8))
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once somebody listens: who only publishes needs no subscription."""
    _subscribed: asyncio.Event = field(default_factory=asyncio.Event)

    async def publish(self, topic: str, text: str) -> None:
        await self.near.publish(topic, text)
        message = orjson.dumps({"sender": self._sender, "text": text})
        with suppress(RedisAwayError):
            await self.connection.ask(lambda redis: redis.publish(self._channels + topic, message))

    @asynccontextmanager
    async def listen(self, topic: str) -> AsyncIterator[AsyncIterator[str]]:
        async with self.near.listen(topic) as heard:
            self._wanted.set()
            await self._until_subscribed()
            yield heard

    async def follow(self) -> None:
        """Pass on what other processes say until cancelled, subscribing again whenever the
        subscription ends.
        """
        await self._wanted.wait()
        while True:
            try:
                await self._follow()
            except FAILURES as error:
                log.debug("notices_interrupted", reason=str(error))
            # The outermost frame of this loop: whatever comes over a channel, the process goes on.
            except Exception:
                log.exception("notices_failed")
            self._subscribed.clear()
            await asyncio.sleep(PAUSE_SECONDS)

    async def _follow(self) -> None:
        async with self.connection.redis.pubsub() as subscription:
            async with asyncio.timeout(self.connection.timeout_seconds):
                await subscription.psubscribe(f"{self._channels}*")
            async for message in self._heard(subscription):
                match message["type"]:
                    case "psubscribe":
                        self._subscribed.set()
                    case "pmessage":
                        await self._pass_on(message)

    async def _heard(self, subscription: PubSub) -> AsyncIterator[dict[str, Any]]:
        """Yield what comes.

        Where it is quiet, ask whether anybody is there, and raise TimeoutError if no answer comes.
        """
        asked = False
        while True:
            message = await subscription.get_message(
                timeout=_ANSWER_SECONDS if asked else _QUIET_SECONDS
            )
            if message is not None:
                asked = False
                yield message
            elif asked:
                raise TimeoutError("The subscription is not answered.")
            else:
                asked = True
                async with asyncio.timeout(self.connection.timeout_seconds):
                    await subscription.ping()

    async def _pass_on(self, message: dict[str, Any]) -> None:
        """Tell our listeners.

        What others say on these channels in another form is nothing to us.
        """
        try:
            topic = message["channel"].decode().removeprefix(self._channels)
            match orjson.loads(message["data"]):
                case {"sender": str(sender), "text": str(text)} if sender != self._sender:
                    await self.near.publish(topic, text)
        except ValueError:
            log.debug("notice_not_understood")

    async def _until_subscribed(self) -> None:
        """Wait for the first subscription, unless Redis is away.

        From then on nothing is missed that others say.
        """
        if not self.connection.paused:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.connection.timeout_seconds):
                    await self._subscribed.wait()

    @property
    def _channels(self) -> str:
        """Channels do not belong to a database, so its number is in their names."""
        return f"{PREFIX}notices:{self.connection.database}:"
