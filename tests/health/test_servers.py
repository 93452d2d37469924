"""A real server that dies makes readiness fail, and it recovers by itself; so does one that only stops answering."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import amqp
import httpx
import pytest

from agentguard.health import Ask, Part
from agentguard.web.app import create_app
from scripts.services.process import Server
from scripts.services.rabbitmq import rabbitmq
from tests.services import own
from tests.web.serving import client_of, opened, until

pytestmark = pytest.mark.anyio

SECONDS = 90


@asynccontextmanager
async def asking_rabbitmq(server: Server) -> AsyncIterator[Ask]:
    host = server.settings["CELERY_BROKER_URL"].rpartition("@")[2].rstrip("/")

    def declare() -> None:
        with amqp.Connection(host, connect_timeout=1, read_timeout=1, write_timeout=1) as connection:
            connection.channel().queue_declare(exclusive=True)

    async def ask() -> None:
        await asyncio.to_thread(declare)

    yield ask


@dataclass(frozen=True)
class Kind:
    """How to start a server of this kind, and how to ask it."""

    start: Callable[[Path], Server]
    asking: Callable[[Server], AbstractAsyncContextManager[Ask]]


KINDS = {"rabbitmq": Kind(rabbitmq, asking_rabbitmq)}
"""Those that no part of a real server stands for yet; tests/health/test_serving.py has the others."""


@pytest.fixture(params=KINDS, scope="module")
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture(scope="module")
def server(kind: Kind) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder, own(kind.start, Path(folder)) as started:
        yield started


@pytest.fixture
async def client(tmp_path: Path, kind: Kind, server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application one of whose parts is this server."""
    async with opened(tmp_path) as app, kind.asking(server) as ask:
        part = Part("server", ask, "Start it, or set its address.")
        async with client_of(create_app(replace(app, parts=(*app.parts, part)))) as client:
            yield client


async def readiness(client: httpx.AsyncClient, status: int):
    """Return what readiness says once it answers with this status."""

    async def answered():
        answer = await client.get("/health/ready")
        return answer.json() if answer.status_code == status else None

    return await until(answered, seconds=SECONDS)


def assert_only_the_server_is_down(document) -> None:
    assert document["status"] == "down"
    assert {name for name, part in document["parts"].items() if part["status"] != "up"} == {"server"}
    assert document["parts"]["server"]["error"].endswith(". Start it, or set its address.")


async def test_a_part_that_dies_makes_readiness_fail_and_recovers_by_itself(client, server):
    up = await readiness(client, 200)
    assert up["parts"]["server"]["latency_ms"] > 0
    assert up["parts"]["server"]["error"] is None

    await asyncio.to_thread(server.kill)
    assert_only_the_server_is_down(await readiness(client, 503))
    assert (await client.get("/health")).status_code == 503
    assert (await client.get("/health/live")).status_code == 200
    assert 'agentguard_part_up{part="server"} 0.0' in (await client.get("/metrics")).text

    await asyncio.to_thread(server.start)
    assert (await readiness(client, 200))["parts"]["server"]["status"] == "up"
    assert 'agentguard_part_up{part="server"} 1.0' in (await client.get("/metrics")).text


async def test_a_part_that_stops_answering_does_not_stop_the_answer(client, server):
    await readiness(client, 200)

    os.kill(server.pid, signal.SIGSTOP)
    try:
        hung = await readiness(client, 503)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert_only_the_server_is_down(hung)

    assert (await readiness(client, 200))["status"] == "up"
