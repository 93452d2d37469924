"""The port Cache, against every adapter."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import pytest
import redis.asyncio
import zstandard

from agentguard.adapters.redis.connection import PREFIX
from agentguard.coordination.cache import KEPT_SECONDS, MOST_BYTES, Cache
from scripts.services.redis import redis as redis_server
from tests.conformance.coordinated import Processes, processes
from tests.services import own, redis_url
from tests.web.serving import until

pytestmark = pytest.mark.anyio

Another: TypeAlias = Callable[[], Awaitable[Cache]]
ADAPTERS = ["memory", "redis", "layered"]


@pytest.fixture(params=ADAPTERS)
async def adapter(request) -> AsyncIterator[tuple[str, Processes]]:
    async with processes(None if request.param == "memory" else redis_url()) as opened:
        yield request.param, opened


@pytest.fixture
def another(adapter: tuple[str, Processes]) -> Another:
    """Gives the cache of one more process."""
    name, opened = adapter
    return lambda: opened.cache(layered=name == "layered")


@pytest.fixture
async def cache(another: Another) -> Cache:
    return await another()


def new_key() -> str:
    return uuid4().hex


VALUES = [b"{}", b"", bytes(range(256)), "ä€𝄞".encode(), os.urandom(3_000_000), bytes(MOST_BYTES)]


@pytest.mark.parametrize("value", VALUES, ids=["json", "empty", "bytes", "text", "noise", "large"])
async def test_what_was_put_is_found_as_it_was(cache: Cache, value: bytes):
    key = new_key()

    await cache.put(key, value)

    assert await cache.get(key) == value


async def test_what_was_not_put_is_not_found(cache: Cache):
    assert await cache.get(new_key()) is None


async def test_what_is_put_again_takes_the_place_of_the_first(cache: Cache):
    key = new_key()

    await cache.put(key, b"first")
    await cache.put(key, b"second")

    assert await cache.get(key) == b"second"


async def test_keys_are_apart_whatever_is_in_them(cache: Cache):
    keys = [f"{new_key()}{end}" for end in ("", " ", "\n", "\0", ":", "*", "ä", "a" * 10_000)]

    for key in keys:
        await cache.put(key, key.encode())

    assert [await cache.get(key) for key in keys] == [key.encode() for key in keys]


async def test_what_is_too_large_is_not_kept_and_nothing_older_stays_in_its_place(cache: Cache):
    key = new_key()
    await cache.put(key, b"small")

    await cache.put(key, bytes(MOST_BYTES + 1))

    assert await cache.get(key) is None


async def test_what_is_too_large_for_redis_even_when_packed_is_not_kept_there():
    key = new_key()
    async with processes(redis_url()) as opened:
        cache = await opened.cache()
        await cache.put(key, b"small")
        await cache.put(key, os.urandom(5_000_000))

        assert await cache.get(key) is None


async def test_many_at_a_time_get_what_they_put(cache: Cache):
    keys = [new_key() for _ in range(200)]

    async def put_and_get(key: str) -> bytes | None:
        await cache.put(key, key.encode() * 100)
        return await cache.get(key)

    found = await asyncio.gather(*map(put_and_get, keys))

    assert found == [key.encode() * 100 for key in keys]


async def test_a_wait_that_is_cancelled_leaves_nothing_behind_for_the_next(another: Another):
    """A reply to a cancelled request must not be taken for the reply to another."""
    cache = await another()
    keys = [new_key() for _ in range(20)]
    for key in keys:
        await cache.put(key, key.encode() * 10_000)

    for steps in range(40):
        asking = [asyncio.ensure_future(cache.get(key)) for key in keys]
        for _ in range(steps):
            await asyncio.sleep(0)
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    assert [await cache.get(key) for key in keys] == [key.encode() * 10_000 for key in keys]


async def test_processes_share_what_they_put(
    adapter: tuple[str, Processes], another: Another, request
):
    if adapter[0] == "memory":
        request.applymarker(
            pytest.mark.xfail(
                strict=True, raises=AssertionError, reason="One process's memory is its own."
            )
        )
    key, first, second = new_key(), await another(), await another()

    await first.put(key, b"known")

    assert await second.get(key) == b"known"


async def test_memory_forgets_after_a_while():
    async with processes(None) as opened:
        cache = await opened.cache()
        await cache.put("old", b"1")
        opened.clock.now += KEPT_SECONDS - 1
        await cache.put("new", b"2")
        kept = [await cache.get("old"), await cache.get("new")]
        opened.clock.now += 1
        later = [await cache.get("old"), await cache.get("new")]

    assert kept == [b"1", b"2"]
    assert later == [None, b"2"]


async def test_memory_is_bounded_and_what_was_not_asked_for_longest_goes_first():
    async with processes(None) as opened:
        cache = await opened.cache()
        for name in ("first", "second"):
            await cache.put(name, bytes(MOST_BYTES))
        await cache.get("first")
        await cache.put("third", b"a little more")
        kept = [name for name in ("first", "second", "third") if await cache.get(name) is not None]

    assert kept == ["first", "third"]


async def test_redis_keeps_nothing_without_an_end():
    key = new_key()
    async with (
        processes(redis_url()) as opened,
        redis.asyncio.Redis.from_url(redis_url()) as beside,
    ):
        cache = await opened.cache()
        await cache.put(key, b"value")
        ttl = await beside.ttl(f"{PREFIX}cache:{key}")
        await beside.pexpire(f"{PREFIX}cache:{key}", 1)
        await until(lambda: _gone(cache, key))

    assert KEPT_SECONDS - 60 < ttl <= KEPT_SECONDS


async def _gone(cache: Cache, key: str) -> bool:
    return await cache.get(key) is None


@pytest.mark.parametrize(
    "strange",
    [b"", b"x", b"{}", bytes(16), bytes(100), b"\x80\x04N.", os.urandom(1000), bytes(6_000_000)],
    ids=["empty", "short", "json", "no value", "zeros", "pickle", "noise", "large"],
)
async def test_what_others_put_into_redis_under_our_keys_is_not_there(strange: bytes):
    key = new_key()
    async with (
        processes(redis_url()) as opened,
        redis.asyncio.Redis.from_url(redis_url()) as beside,
    ):
        cache = await opened.cache()
        await beside.set(f"{PREFIX}cache:{key}", strange)
        before = await cache.get(key)
        await cache.put(key, b"ours")

        assert before is None
        assert await cache.get(key) == b"ours"
        await beside.delete(f"{PREFIX}cache:{key}")


async def test_a_value_under_another_key_or_cut_short_is_not_there():
    key, other = new_key(), new_key()
    async with (
        processes(redis_url()) as opened,
        redis.asyncio.Redis.from_url(redis_url()) as beside,
    ):
        cache = await opened.cache()
        await cache.put(key, b"value")
        stored = await beside.get(f"{PREFIX}cache:{key}")
        assert isinstance(stored, bytes)
        await beside.set(f"{PREFIX}cache:{other}", stored)
        await beside.set(f"{PREFIX}cache:{key}", stored[:-1])

        assert [await cache.get(key), await cache.get(other)] == [None, None]


@pytest.mark.parametrize(
    "packed",
    [b"", b"{}", zstandard.compress(bytes(MOST_BYTES + 1))],
    ids=["empty", "not packed", "too large"],
)
async def test_what_is_sealed_and_cannot_be_unpacked_is_not_there(packed: bytes):
    key = new_key()
    seal = hashlib.blake2b(key.encode() + b"\0" + packed, digest_size=16).digest()
    async with (
        processes(redis_url()) as opened,
        redis.asyncio.Redis.from_url(redis_url()) as beside,
    ):
        cache = await opened.cache()
        await beside.set(f"{PREFIX}cache:{key}", seal + packed, ex=60)

        assert await cache.get(key) is None


async def test_a_key_of_another_type_is_not_there_and_not_fatal():
    key = new_key()
    async with (
        processes(redis_url()) as opened,
        redis.asyncio.Redis.from_url(redis_url()) as beside,
    ):
        cache = await opened.cache()
        await beside.execute_command("LPUSH", f"{PREFIX}cache:{key}", "x")

        assert await cache.get(key) is None
        await beside.delete(f"{PREFIX}cache:{key}")


async def test_kill_9_of_redis_in_use_raises_nothing_gives_nothing_wrong_and_is_got_over(
    tmp_path: Path,
):
    with own(redis_server, tmp_path) as server:
        async with processes(server.settings["AGENTGUARD_REDIS_URL"], timeout_seconds=5) as opened:
            caches = [await opened.cache() for _ in range(3)]
            stop, found = asyncio.Event(), set[bytes | None]()
            async with asyncio.TaskGroup() as tasks:
                for n, cache in enumerate(caches * 5):
                    tasks.create_task(_use(cache, f"{n}", found, stop))
                await until(lambda: _is_in(b"value", found))
                await asyncio.to_thread(server.kill)
                found.clear()
                await until(lambda: _is_in(None, found))
                await asyncio.to_thread(server.start)
                found.clear()
                await until(lambda: _is_in(b"value", found))
                stop.set()
            await until(lambda: _works(caches))

    assert found <= {None, b"value"}


async def _use(cache: Cache, key: str, found: set[bytes | None], stop: asyncio.Event) -> None:
    while not stop.is_set():
        await cache.put(key, b"value")
        found.add(await cache.get(key))
        await asyncio.sleep(0)


async def _is_in(wanted: bytes | None, found: set[bytes | None]) -> bool:
    return wanted in found


async def _works(caches: list[Cache]) -> bool:
    key = new_key()
    for cache in caches:
        await cache.put(key, b"again")
    return [await cache.get(key) for cache in caches] == [b"again"] * len(caches)


async def test_what_a_stopped_redis_answers_too_late_is_taken_for_no_other_answer(tmp_path: Path):
    with own(redis_server, tmp_path) as server:
        url = server.settings["AGENTGUARD_REDIS_URL"]
        async with processes(url) as opened, processes(url, timeout_seconds=0.05) as hurried:
            patient, cache = await opened.cache(), await hurried.cache()
            keys = [f"{n}" for n in range(50)]
            for key in keys:
                await patient.put(key, key.encode())
            os.kill(server.pid, signal.SIGSTOP)
            late = await asyncio.gather(*map(cache.get, keys))
            os.kill(server.pid, signal.SIGCONT)
            found: set[tuple[str, bytes]] = set()
            await until(lambda: _all_found(cache, keys, found))

    assert set(late) == {None}
    assert found == {(key, key.encode()) for key in keys}


async def _all_found(cache: Cache, keys: list[str], found: set[tuple[str, bytes]]) -> bool:
    """Ask for all, some of it perhaps in vain, and note what comes."""
    values = await asyncio.gather(*map(cache.get, keys))
    found |= {(key, value) for key, value in zip(keys, values, strict=True) if value is not None}
    return len(found) == len(keys)


async def test_layered_goes_on_with_what_it_has_while_redis_is_away(tmp_path: Path):
    with own(redis_server, tmp_path) as server:
        async with processes(server.settings["AGENTGUARD_REDIS_URL"], timeout_seconds=5) as opened:
            cache = await opened.cache(layered=True)
            await cache.put("before", b"1")
            await asyncio.to_thread(server.kill)
            await cache.put("after", b"2")

            assert [
                await cache.get("before"),
                await cache.get("after"),
                await cache.get("never"),
            ] == [b"1", b"2", None]
