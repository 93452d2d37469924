"""GET /api/events: what changed, as it changes."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from agentguard.bootstrap.app import App
from agentguard.bootstrap.opening import open_app
from agentguard.coordination.notices import Notices
from agentguard.graph.storage.store import LIVE
from agentguard.ingest.sources import read_stream
from agentguard.kernel.clock import system_clock
from agentguard.settings import Settings
from scripts.services.redis import redis as redis_server
from tests.acting import TESTER
from tests.conformance.graphs import RUNS, version
from tests.services import own, redis_url
from tests.web.process import running
from tests.web.serving import opened, until
from tests.web.streaming import events, following, streaming
from tests.web.systems import shop

pytestmark = pytest.mark.anyio

NEVER = 3600.0
PATH = "/api/events"


async def scan(client: httpx.AsyncClient, dataset: str, runs: int = 1) -> Any:
    """Scan something, and return the event that tells of it."""
    answer = (
        (await client.post("/api/scan", json=shop(runs), params={"dataset": dataset}))
        .raise_for_status()
        .json()
    )
    return event_of(answer["dataset"], answer["graph_version"])


def event_of(dataset: str, version: str) -> Any:
    return ("graph", {"dataset": dataset, "graph_version": version})


async def scan_beside(directory: Path, dataset: str, **settings: Any) -> Any:
    """Scan as another process would: beside the server, on the same data directory."""
    body = directory / "beside.json"
    body.write_text(json.dumps(shop(2)))
    async with open_app(Settings(data_dir=directory / "data", **settings)) as app:
        with body.open("rb") as stream:
            found = await app.scans.scan(
                TESTER, list(read_stream(stream, "beside")), dataset=dataset
            )
    return event_of(found["dataset"], found["graph_version"])


async def test_it_first_tells_of_the_newest_version_and_then_of_each_that_comes(tmp_path: Path):
    async with opened(tmp_path) as app, streaming(app, look_seconds=NEVER) as (client, _):
        await scan(client, "one")
        newest = await scan(client, "two")
        async with events(client, PATH) as stream:
            told = [await following(stream)]
            later = []
            for dataset in ("one", "two", "three", "one"):
                later.append(await scan(client, dataset))
                told.append(await following(stream))

    assert told == [newest, *later]


async def test_it_first_tells_of_live_where_it_has_a_graph(tmp_path: Path):
    async with opened(tmp_path) as app, streaming(app, look_seconds=NEVER) as (client, _):
        live = version(LIVE, system_clock)
        await app.scans.publisher.publish(TESTER, live, RUNS)
        await scan(client, "later")
        async with events(client, PATH) as stream:
            assert await following(stream) == event_of(LIVE, live.id)


async def test_of_one_dataset_it_tells_of_that_alone_also_where_it_is_yet_to_come(tmp_path: Path):
    async with opened(tmp_path) as app, streaming(app, look_seconds=NEVER) as (client, _):
        await scan(client, "other")
        async with events(client, PATH, dataset="wanted") as stream:
            await scan(client, "other", 2)
            first = await scan(client, "wanted")
            await scan(client, "other", 3)
            second = await scan(client, "wanted", 2)

            assert [await following(stream), await following(stream)] == [first, second]


async def test_without_any_graph_it_waits_for_the_first(tmp_path: Path):
    async with (
        opened(tmp_path) as app,
        streaming(app, look_seconds=NEVER) as (client, _),
        events(client, PATH) as stream,
    ):
        wanted = await scan(client, "first")

        assert await following(stream) == wanted


async def test_the_live_graph_is_told_of_too(tmp_path: Path):
    async with (
        opened(tmp_path) as app,
        streaming(app, look_seconds=NEVER) as (client, _),
        events(client, PATH, dataset="live") as stream,
    ):
        (await client.post("/v1/traces", json=shop(1))).raise_for_status()
        told = await following(stream)
        newest = (await client.get("/api/graph", params={"dataset": "live"})).json()[
            "graph_version"
        ]

    assert told == event_of("live", newest)


async def test_many_streams_are_told_of_the_same(tmp_path: Path):
    async with (
        opened(tmp_path) as app,
        streaming(app, look_seconds=NEVER) as (client, _),
        AsyncExitStack() as stack,
    ):
        streams = [
            await stack.enter_async_context(events(client, PATH, **{"dataset": "new"} if n else {}))
            for n in range(5)
        ]
        wanted = await scan(client, "new")

        assert [await following(each) for each in streams] == [wanted] * 5


async def test_what_another_process_stores_is_told_at_once_through_redis(tmp_path: Path):
    settings = {"redis_url": redis_url(), "redis_timeout_seconds": 20}
    async with (
        opened(tmp_path, **settings) as app,
        streaming(app, look_seconds=NEVER) as (client, _),
    ):
        first = await scan(client, "here")
        async with events(client, PATH) as stream:
            told = [await following(stream)]
            beside = await scan_beside(tmp_path, "beside", **settings)
            told.append(await following(stream))

    assert told == [first, beside]


async def test_without_redis_what_another_process_stores_is_seen_by_looking(tmp_path: Path):
    async with (
        opened(tmp_path) as app,
        streaming(app, look_seconds=0.02) as (client, _),
        events(client, PATH) as stream,
    ):
        beside = await scan_beside(tmp_path, "beside")

        assert await following(stream) == beside


async def test_while_redis_is_away_nothing_is_missed_and_after_it_notices_come_again(
    tmp_path: Path,
):
    with own(redis_server, _folder(tmp_path, "redis")) as server:
        settings = {"redis_url": server.settings["AGENTGUARD_REDIS_URL"]}
        async with (
            opened(tmp_path, **settings) as app,
            streaming(app, look_seconds=0.02) as (client, state),
            events(client, PATH) as stream,
        ):
            told, wanted = [], [await scan(client, "before")]
            told.append(await following(stream))
            await asyncio.to_thread(server.kill)
            for stored in (scan(client, "here"), scan_beside(tmp_path, "beside", **settings)):
                wanted.append(await stored)
                told.append(await following(stream))
            await asyncio.to_thread(server.start)
            state.streams.look_seconds = NEVER
            await until(lambda: _reaches(app, settings["redis_url"]))
            wanted.append(await scan_beside(tmp_path, "again", **settings))
            told.append(await following(stream))

    assert told == wanted


async def _reaches(app: App, url: str) -> bool:
    """Whether the server hears what another process says."""
    settings = Settings(data_dir=app.settings.data_dir, redis_url=SecretStr(url))
    async with app.notices.listen("probe") as heard, open_app(settings) as beside:
        await beside.notices.publish("probe", "text")
        try:
            async with asyncio.timeout(0.5):
                return await anext(heard) == "text"
        except TimeoutError:
            return False


@dataclass
class Listened:
    """Notices that count who listens."""

    notices: Notices
    listening: set[str] = field(default_factory=set)

    async def publish(self, topic: str, text: str) -> None:
        await self.notices.publish(topic, text)

    @asynccontextmanager
    async def listen(self, topic: str) -> AsyncIterator[AsyncIterator[str]]:
        async with self.notices.listen(topic) as heard:
            self.listening.add(topic)
            try:
                yield heard
            finally:
                self.listening.discard(topic)


async def test_a_stream_that_its_client_leaves_is_forgotten(tmp_path: Path):
    async with opened(tmp_path) as app:
        notices = Listened(app.notices)
        watched = replace(app, shared=replace(app.shared, notices=notices))
        async with streaming(watched, look_seconds=NEVER) as (client, _):
            await scan(client, "some")
            async with events(client, PATH) as stream:
                await following(stream)
                during = set(notices.listening)
            await until(lambda: _is_empty(notices.listening))

    assert during == {"graph"}


async def _is_empty(listening: set[str]) -> bool:
    return not listening


async def test_an_idle_stream_is_kept_alive_by_comments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.01)
    async with (
        opened(tmp_path) as app,
        streaming(app, look_seconds=NEVER) as (client, _),
        client.stream("GET", PATH) as response,
    ):
        lines = response.aiter_lines()
        async with asyncio.timeout(30):
            first = await anext(lines)

    assert first.startswith(":")


async def test_nothing_between_keeps_a_stream_back(tmp_path: Path):
    async with (
        opened(tmp_path) as app,
        streaming(app, look_seconds=NEVER) as (client, _),
        client.stream("GET", PATH) as response,
    ):
        headers = response.headers

    assert headers["cache-control"] == "no-cache"
    assert headers["x-accel-buffering"] == "no"


async def test_streams_end_when_the_server_does_and_new_ones_after_their_first_look(tmp_path: Path):
    async with opened(tmp_path) as app, streaming(app, look_seconds=NEVER) as (client, state):
        newest = await scan(client, "some")
        async with events(client, PATH) as open_one:
            first = await following(open_one)
            state.streams.end()
            async with asyncio.timeout(30):
                rest = [event async for event in open_one]
        async with events(client, PATH) as late, asyncio.timeout(30):
            all_of_it = [event async for event in late]

    assert (first, rest, all_of_it) == (newest, [], [newest])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_open_streams_in_good_order(tmp_path: Path, number: signal.Signals):
    """Without that, the server waits for them as long as it may, and breaks them off then."""
    with running(tmp_path, AGENTGUARD_SHUTDOWN_SECONDS="40") as server:
        with (
            httpx.stream("GET", f"{server.url}{PATH}", timeout=60) as response,
            httpx.stream("GET", f"{server.url}{PATH}") as other,
        ):
            assert (response.status_code, other.status_code) == (200, 200)
            server.process.send_signal(number)

            rest = [*response.iter_lines(), *other.iter_lines()]
        assert not [line for line in rest if line and not line.startswith(":")]
        assert server.process.wait(60) == 0
        assert "exceeded" not in server.log.read_text()


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder
