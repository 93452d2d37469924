"""The port Notices, against every adapter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import redis.asyncio

from agentguard.adapters.redis.connection import PREFIX
from agentguard.coordination.notices import Notices
from scripts.services.redis import redis as redis_server
from tests.black_hole import proxy_before
from tests.conformance.coordinated import Processes, processes
from tests.services import own, redis_url

pytestmark = pytest.mark.anyio

SECONDS = 30


@pytest.fixture(params=["memory", "redis"])
async def opened(request) -> AsyncIterator[Processes]:
    async with processes(None if request.param == "memory" else redis_url()) as opened:
        yield opened


def new_topic() -> str:
    return uuid4().hex


async def heard(notices: AsyncIterator[str], count: int) -> list[str]:
    async with asyncio.timeout(SECONDS):
        return [await anext(notices) for _ in range(count)]


async def test_a_listener_hears_what_is_published_from_then_on_in_order(opened: Processes):
    notices, topic = await opened.notices(), new_topic()
    await notices.publish(topic, "before")

    async with notices.listen(topic) as listener:
        for n in range(20):
            await notices.publish(topic, f"{n} ä\n\0")

        assert await heard(listener, 20) == [f"{n} ä\n\0" for n in range(20)]


async def test_every_listener_hears_each_notice_once(opened: Processes):
    notices, topic = await opened.notices(), new_topic()

    async with notices.listen(topic) as first, notices.listen(topic) as second:
        for text in ("one", "one", "end"):
            await notices.publish(topic, text)

        assert await heard(first, 3) == await heard(second, 3) == ["one", "one", "end"]


@pytest.mark.parametrize("other", ["{}x", "x{}", "{}:", "*", "{}*", ""])
async def test_topics_are_apart_whatever_they_are_called(opened: Processes, other: str):
    notices, topic = await opened.notices(), new_topic()

    async with notices.listen(topic) as listener:
        await notices.publish(other.format(topic), "not for it")
        await notices.publish(topic, "for it")

        assert await heard(listener, 1) == ["for it"]


async def test_publishing_without_listeners_does_nothing(opened: Processes):
    notices, topic = await opened.notices(), new_topic()
    async with notices.listen(topic):
        pass

    await notices.publish(topic, "nobody")


async def test_who_is_too_slow_loses_the_oldest_and_holds_up_nobody(opened: Processes):
    notices, topic = await opened.notices(), new_topic()

    async with notices.listen(topic) as slow, asyncio.timeout(SECONDS):
        for n in range(500):
            await notices.publish(topic, f"{n}")
        found = [await anext(slow)]
        while found[-1] != "499":
            found.append(await anext(slow))

    assert found == [f"{n}" for n in range(500 - len(found), 500)]
    assert 10 < len(found) < 500


async def test_a_wait_can_be_cancelled_and_taken_up_again(opened: Processes):
    notices, topic = await opened.notices(), new_topic()

    async with notices.listen(topic) as listener:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await anext(listener)
        await notices.publish(topic, "text")

        assert await heard(listener, 1) == ["text"]


async def test_other_processes_hear_it_each_listener_once_and_in_order(opened: Processes, request):
    if opened.url is None:
        request.applymarker(
            pytest.mark.xfail(
                strict=True, raises=TimeoutError, reason="One process's notices stay in it."
            )
        )
    first, second, topic = await opened.notices(), await opened.notices(), new_topic()

    async with (
        second.listen(topic) as one,
        second.listen(topic) as other,
        first.listen(topic) as beside,
    ):
        for n in range(50):
            await first.publish(topic, f"{n}")
        await second.publish(topic, "end")
        wanted = [f"{n}" for n in range(50)]

        async with asyncio.timeout(SECONDS if opened.url else 0.1):
            for listener in (one, other, beside):
                found = [await anext(listener) for _ in range(51)]
                assert [text for text in found if text != "end"] == wanted
                assert found.count("end") == 1


async def test_many_processes_at_a_time_hear_each_other():
    async with processes(redis_url()) as opened:
        several, topic = [await opened.notices() for _ in range(5)], new_topic()

        async def take_part(n: int, notices: Notices) -> set[str]:
            async with notices.listen(topic) as listener:
                await there.wait()
                await notices.publish(topic, f"{n}")
                return set(await heard(listener, 5))

        there = asyncio.Barrier(5)
        found = await asyncio.gather(*[take_part(n, notices) for n, notices in enumerate(several)])

    assert found == [set("01234")] * 5


async def test_databases_of_one_redis_are_apart():
    url, topic = redis_url(), new_topic()
    async with processes(url) as opened, processes(f"{url}1") as others:
        notices, other = await opened.notices(), await others.notices()
        async with notices.listen(topic) as listener:
            await other.publish(topic, "not for it")
            await (await opened.notices()).publish(topic, "for it")

            assert await heard(listener, 1) == ["for it"]


@pytest.mark.parametrize(
    "strange",
    [
        b"",
        b"\xff",
        b"text",
        b"{}",
        b"[]",
        b"null",
        b'{"sender": 1, "text": "x"}',
        b'{"sender": "a", "text": null}',
    ],
)
async def test_what_others_say_on_our_channels_is_not_passed_on(strange: bytes):
    topic = new_topic()
    async with (
        processes(redis_url()) as opened,
        redis.asyncio.Redis.from_url(redis_url()) as beside,
    ):
        notices = await opened.notices()
        database = opened.connections[0].database
        async with notices.listen(topic) as listener:
            await beside.publish(f"{PREFIX}notices:{database}:{topic}", strange)
            await beside.publish(f"{PREFIX}notices:{database}:".encode() + b"\xff", strange)
            await (await opened.notices()).publish(topic, "ours")

            assert await heard(listener, 1) == ["ours"]


async def test_a_subscription_that_died_without_a_sign_is_noticed_and_made_anew(
    monkeypatch: pytest.MonkeyPatch,
):
    for name in ("_PING_AFTER_SECONDS", "_PING_TIMEOUT_SECONDS", "PAUSE_SECONDS"):
        monkeypatch.setattr(f"agentguard.adapters.redis.notices.{name}", 0.2)
    topic = new_topic()
    async with (
        proxy_before(redis_url()) as (url, proxy),
        processes(redis_url()) as direct,
        processes(url) as behind,
        (await behind.notices()).listen(topic) as listener,
        asyncio.timeout(SECONDS),
    ):
        speaker = await direct.notices()
        await asyncio.sleep(1)  # quiet, and answered
        proxy.swallow()
        hearing = asyncio.ensure_future(anext(listener))
        while not hearing.done():
            await speaker.publish(topic, "again")
            await asyncio.wait([hearing], timeout=0.1)

        assert await hearing == "again"


async def test_who_only_publishes_holds_no_subscription():
    async with (
        processes(redis_url()) as opened,
        redis.asyncio.Redis.from_url(redis_url()) as beside,
    ):
        before = await beside.pubsub_numpat()
        notices = await opened.notices()
        await notices.publish(new_topic(), "text")

        assert await beside.pubsub_numpat() == before


async def test_listeners_hear_again_after_redis_was_killed(
    tmp_path: Path,
):
    topic = new_topic()
    with own(redis_server, tmp_path) as server:
        async with processes(server.settings["AGENTGUARD_REDIS_URL"], timeout_seconds=5) as opened:
            first, second = await opened.notices(), await opened.notices()
            async with first.listen(topic) as here, second.listen(topic) as there:
                await first.publish(topic, "before")
                before = [await heard(here, 1), await heard(there, 1)]
                await asyncio.to_thread(server.kill)
                await first.publish(topic, "away")
                away = await heard(here, 1)
                async with asyncio.timeout(SECONDS), first.listen(topic) as new:
                    await first.publish(topic, "still away")
                    still = [await heard(here, 1), await heard(new, 1)]
                await asyncio.to_thread(server.start)
                again = await _first_heard(first, topic, there)

    assert before == [["before"], ["before"]]
    assert away == ["away"]
    assert still == [["still away"], ["still away"]]
    assert again == "again"


async def _first_heard(publisher: Notices, topic: str, listener: AsyncIterator[str]) -> str:
    """Publish until the listener hears something, and return it."""
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as tasks:
        publishing = tasks.create_task(_publish_on(publisher, topic))
        text = await anext(listener)
        publishing.cancel()
    return text


async def _publish_on(publisher: Notices, topic: str) -> None:
    while True:
        await publisher.publish(topic, "again")
        await asyncio.sleep(0.02)
