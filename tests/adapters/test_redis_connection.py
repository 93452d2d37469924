"""Timeouts of an unresponsive Redis, and recovery from them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from agentguard.adapters.memory.limits import MemoryRateLimits
from agentguard.adapters.memory.notices import MemoryNotices
from agentguard.adapters.redis.cache import RedisCache
from agentguard.adapters.redis.connection import (
    PAUSE_SECONDS,
    Connection,
    RedisUnavailableError,
    open_connection,
)
from agentguard.adapters.redis.limits import RedisRateLimits
from agentguard.adapters.redis.notices import RedisNotices
from tests.conformance.coordinated import Clock
from tests.services import redis_url

pytestmark = pytest.mark.anyio


@dataclass
class Listening:
    """Something that listens where Redis should, and that is no Redis."""

    answer: bytes | None
    """To whatever is asked; None = none, ever."""
    url: str = ""
    asked: int = 0

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        with suppress(ConnectionError):
            while await reader.read(65_536):
                if self.answer is not None:
                    writer.write(self.answer)
                    await writer.drain()
        writer.close()


@asynccontextmanager
async def listening(answer: bytes | None) -> AsyncIterator[Listening]:
    found = Listening(answer)
    async with await asyncio.start_server(found.meet, "127.0.0.1", 0) as server:
        found.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        yield found


@asynccontextmanager
async def connected(
    url: str, timeout_seconds: float = 0.05
) -> AsyncIterator[tuple[Connection, Clock]]:
    async with open_connection(url, timeout_seconds=timeout_seconds) as connection:
        connection.clock = clock = Clock()
        yield connection, clock


async def test_after_a_failure_nothing_is_asked_for_a_while_and_then_by_one_alone():
    async with listening(None) as silent, connected(silent.url) as (connection, clock):
        cache = RedisCache(connection)
        await cache.get("key")
        first = silent.asked
        await asyncio.gather(*[cache.get("key") for _ in range(50)])
        during = silent.asked
        clock.now += PAUSE_SECONDS
        await asyncio.gather(*[cache.get("key") for _ in range(50)])
        after = silent.asked

    assert first >= 1
    assert during == first
    assert after <= during + 2  # one question, and the library's second try


async def test_who_does_not_answer_is_waited_for_no_longer_than_set():
    async with (
        listening(None) as silent,
        connected(silent.url, timeout_seconds=0.01) as (connection, _),
        asyncio.timeout(10),
    ):
        with pytest.raises(RedisUnavailableError, match="is unavailable"):
            await connection.ping()


GARBAGE = [
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b":many\r\n",
    b"$x\r\n",
    b"$-5\r\n",
    b"*-7\r\n",
    b"*2\r\n:1\r\n",
    b"%\r\n",
    b"-ERR no\r\n",
    b"-LOADING Redis is loading\r\n",
    b"-NOAUTH Authentication required.\r\n",
    b"-MISCONF stop\r\n",
    b"-OOM full\r\n",
    b"+OK\r\n",
    b":1\r\n",
    b"*0\r\n",
    b"$3\r\nabc\r\n" * 50,
    b"\r\n",
    b"\xff\xfe\x00",
]


@pytest.mark.parametrize("answer", GARBAGE)
async def test_whatever_answers_in_its_place_nothing_raises_and_nothing_is_believed(answer: bytes):
    async with listening(answer) as other, connected(other.url) as (connection, clock):
        cache, limits = (
            RedisCache(connection),
            RedisRateLimits(connection, 5, MemoryRateLimits(5, clock)),
        )
        notices = RedisNotices(connection, MemoryNotices())
        await cache.put("key", b"value")
        clock.now += PAUSE_SECONDS
        found = await cache.get("key")
        clock.now += PAUSE_SECONDS
        admitted = (await limits.admit("client")).admitted
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(notices.follow())
            async with notices.listen("topic") as heard:
                await notices.publish("topic", "text")
                said = await anext(heard)
            following.cancel()

    assert found is None
    assert admitted in (True, False)
    assert said == "text"


async def test_where_nothing_listens_the_error_says_where_and_what_to_do():
    async with listening(None) as gone:
        url = gone.url
    async with connected(url.replace("redis://", "redis://:secret-word@")) as (connection, _):
        with pytest.raises(RedisUnavailableError) as raised:
            await connection.ping()

    assert "127.0.0.1" in str(raised.value)
    assert "REDIS_URL" in str(raised.value)
    assert "secret-word" not in str(raised.value)


async def test_a_ping_asks_during_the_pause_too_and_ends_it_where_it_is_answered():
    async with connected(redis_url(), timeout_seconds=20) as (connection, _):
        connection.timeout_seconds = 0
        with pytest.raises(RedisUnavailableError):
            await connection.execute(lambda redis: redis.get("key"))
        paused = connection.paused
        connection.timeout_seconds = 20
        await connection.ping()

        assert paused
        assert not connection.paused
        await connection.execute(lambda redis: redis.get("key"))


async def test_more_questions_at_a_time_than_connections_wait_for_their_turn():
    async with connected(redis_url(), timeout_seconds=20) as (connection, _):
        answers = await asyncio.gather(
            *[connection.execute(lambda redis: redis.echo(b"x")) for _ in range(500)]
        )

    assert len(answers) == 500


async def test_a_wrong_password_is_as_if_it_were_away():
    async with connected(
        redis_url().replace("redis://", "redis://:wrong@"), timeout_seconds=20
    ) as (connection, _):
        assert await RedisCache(connection).get("key") is None
        assert connection.paused
