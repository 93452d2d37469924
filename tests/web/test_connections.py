"""Connections: how many, for how long, and which make room for others."""

from __future__ import annotations

import asyncio
import resource
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import uvicorn
from structlog.testing import capture_logs

from agentguard.settings import Settings
from agentguard.web import connections
from agentguard.web.connections import (
    ConnectionLimits,
    ConnectionState,
    Phase,
    connection_limits,
)
from agentguard.web.http_server import Server, options
from agentguard.web.repetition import Repetition
from agentguard.web.server import bind
from scripts.services.process import free_port
from tests.web.process import running
from tests.web.serving import until

PROMPT = 3600.0
HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPLOAD = b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
GUNICORN = [
    sys.executable,
    "-m",
    "gunicorn",
    "--config=python:agentguard.web.gunicorn",
    "--workers=1",
    "agentguard.web.asgi:app",
]


@dataclass(eq=False)
class Fake:
    """A connection in a given phase."""

    at: Phase
    began: float = 0.0
    speed: float = 0.0
    closed: bool = False

    def phase(self) -> Phase:
        return self.at

    def since(self) -> float:
        return self.began

    def rate(self) -> float:
        return self.speed

    def is_overdue(self) -> bool:
        return self.began < 0

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


def full_of(*held: Fake) -> tuple[ConnectionState, Fake]:
    """Return a state whose places these hold all, and one more connection."""
    state = ConnectionState(ConnectionLimits(len(held), PROMPT, PROMPT))
    newcomer = Fake(Phase.FIRST_HEAD, began=100)
    state.connections |= {*held, newcomer}  # type: ignore[arg-type]  # like a protocol's
    return state, newcomer


FIRST, NEXT, BODY, RESPONSE = Phase.FIRST_HEAD, Phase.NEXT_HEAD, Phase.BODY, Phase.RESPONSE


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Fake(FIRST, 5), Fake(FIRST, 6)),
        (Fake(FIRST, 50), Fake(NEXT, 1)),
        (Fake(NEXT, 5), Fake(NEXT, 6)),
        (Fake(NEXT, 50), Fake(BODY, 1, speed=1)),
        (Fake(BODY, 1, speed=10), Fake(BODY, 1, speed=20)),
        (Fake(BODY, 1, speed=1e9), Fake(BODY, 99, speed=1)),
        (Fake(NEXT, 50), Fake(RESPONSE, 1)),
    ],
)
def test_the_idlest_connection_makes_room(first: Fake, second: Fake):
    first.closed = second.closed = False
    state, newcomer = full_of(second, first)

    assert state.admit(newcomer, 100)
    assert (first.closed, second.closed) == (True, False)


@pytest.mark.parametrize("busy", [Fake(RESPONSE, 1), Fake(BODY, 95)])
def test_a_connection_in_use_keeps_its_place(busy: Fake):
    state, newcomer = full_of(busy)

    assert not state.admit(newcomer, 100)
    assert not busy.closed


def test_a_connection_that_is_closing_holds_no_place():
    state, newcomer = full_of(Fake(RESPONSE), Fake(NEXT, closed=True))

    assert state.admit(newcomer, 100)


def test_a_full_server_is_logged_once_a_minute():
    now = [0.0]
    repetition = Repetition("full", clock=lambda: now[0])
    with capture_logs() as logs:
        for at in (0, 0, 59.9, 60, 61, 120):
            now[0] = at
            repetition.log(port=1)

    assert [entry.get("left_out") for entry in logs] == [None, 2, 1]


def test_at_most_half_of_the_open_files_are_connections(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4096))

    assert connection_limits(Settings()).most == 128
    assert connection_limits(Settings(max_connections=100)).most == 100


async def _app(scope, receive, send) -> None:
    body, more = b"", True
    while more and scope["path"] == "/upload":
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message["body"], message["more_body"]
    size = 20_000_000 if scope["path"] == "/large" else 2
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * size})


@asynccontextmanager
async def serving(
    most: int = 100, head_seconds: float = PROMPT, idle_seconds: float = PROMPT
) -> AsyncIterator[tuple[Clients, Server]]:
    """Give a server with these limits, in this process, and what connects to it."""
    settings = Settings(head_seconds=head_seconds, idle_seconds=idle_seconds)
    config = uvicorn.Config(_app, lifespan="off", log_config=None, **options(settings))
    server = Server(config, ConnectionLimits(most, head_seconds, idle_seconds), lambda: None)
    with bind("127.0.0.1", 0) as listening:
        clients = Clients(listening.getsockname()[1])
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield clients, server
        finally:
            clients.close()
            server.should_exit = server.force_exit = True
            await task


class Client:
    """A connection that sends what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def status(self, request: bytes = b"") -> int:
        self.writer.write(request)
        async with asyncio.timeout(60):
            head = await self.reader.readuntil(b"\r\n\r\n")
            await self.reader.read(1 << 16)
        return int(head.split()[1])

    async def is_closed(self) -> bool:
        """Wait until the server closes the connection."""
        try:
            async with asyncio.timeout(60):
                while await self.reader.read(1 << 16):
                    pass
        except ConnectionError:
            pass
        return True


@dataclass
class Clients:
    """All connections to one server."""

    port: int
    made: list[Client] = field(default_factory=list)

    async def new(self, sent: bytes = b"") -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        client.writer.write(sent)
        self.made.append(client)
        return client

    def close(self) -> None:
        for client in self.made:
            client.writer.transport.abort()


pytestmark = pytest.mark.anyio


async def test_half_open_requests_shut_nobody_out():
    async with serving(most=20) as (clients, server):
        sender = await clients.new()
        assert await sender.status(HEAD) == 200
        for _ in range(100):
            await clients.new(b"GET / HT")
        later = await clients.new()

        assert await later.status(HEAD) == 200
        assert await sender.status(HEAD) == 200
        assert len(server.server_state.connections) <= 21


@pytest.mark.parametrize("begun", [b"", b"GET / HT", HEAD[:-2]])
async def test_a_head_that_does_not_end_closes_its_connection(begun: bytes):
    async with serving(head_seconds=0.1) as (clients, _):
        assert await (await clients.new(begun)).is_closed()


async def test_a_head_that_trickles_closes_its_connection():
    async with serving(head_seconds=0.1) as (clients, _), asyncio.TaskGroup() as tasks:
        client = await clients.new(HEAD[:-4])

        async def trickle() -> None:
            while not client.writer.is_closing():
                client.writer.write(b"x")
                await asyncio.sleep(0.02)

        trickling = tasks.create_task(trickle())

        assert await client.is_closed()
        trickling.cancel()


async def test_a_kept_connection_is_closed_when_it_is_idle():
    async with serving(idle_seconds=0.1) as (clients, _):
        client = await clients.new(HEAD)

        assert await client.is_closed()


async def test_the_rest_of_a_body_that_nobody_reads_is_not_received_forever():
    async with serving(head_seconds=0.1) as (clients, _), asyncio.TaskGroup() as tasks:
        client = await clients.new()
        assert await client.status(UPLOAD.replace(b"/upload", b"/")) == 200

        async def trickle() -> None:
            while not client.writer.is_closing():
                client.writer.write(b"x")
                await asyncio.sleep(0.02)

        trickling = tasks.create_task(trickle())

        assert await client.is_closed()
        trickling.cancel()


async def test_a_client_that_does_not_read_its_response_is_given_up():
    async with serving(idle_seconds=0.1) as (clients, server):
        client = await clients.new(HEAD.replace(b"/ ", b"/large "))
        await until(lambda: _has_answered(server))
        await until(lambda: _has_no_connections(server))

        assert not client.reader.at_eof()


async def _has_answered(server: Server) -> bool:
    return server.server_state.total_requests > 0


async def _has_no_connections(server: Server) -> bool:
    return not server.server_state.connections


async def test_a_request_in_progress_outlives_the_limits_of_idle_ones():
    async with serving(head_seconds=0.1, idle_seconds=0.1) as (clients, server):
        client = await clients.new(UPLOAD)
        for _ in range(20):
            client.writer.write(b"x" * 50_000)
            await server.on_tick(0)
            await asyncio.sleep(0.02)

        assert await client.status() == 200


async def test_slow_uploads_make_room_when_all_places_are_taken(monkeypatch):
    monkeypatch.setattr(connections, "SLOW_BODY_SECONDS", 0.1)
    async with serving(most=5) as (clients, _):
        slow = [await clients.new(UPLOAD + b"x" * n) for n in range(5)]
        await asyncio.sleep(0.3)
        later = await clients.new()

        assert await later.status(HEAD) == 200
        assert await slow[0].is_closed()


async def test_without_room_a_connection_is_refused():
    async with serving(most=2) as (clients, _):
        for _ in range(2):
            await (await clients.new(UPLOAD)).writer.drain()
        await asyncio.sleep(0.1)

        assert await (await clients.new()).status() == 503


async def test_accept_errors_are_logged_once():
    context = {
        "message": "socket.accept() out of system resource",
        "exception": OSError(24, "Too many open files"),
    }
    async with serving() as (clients, _):
        assert await (await clients.new()).status(HEAD) == 200
        with capture_logs() as logs:
            for _ in range(5000):
                asyncio.get_running_loop().call_exception_handler(context)

    assert [entry["event"] for entry in logs] == ["connection_not_accepted"]


@contextmanager
def half_open(port: int, count: int) -> Iterator[None]:
    """Hold connections whose request does not end."""
    with ExitStack() as stack:
        for _ in range(count):
            each = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            each.sendall(b"GET / HT")
        yield


@contextmanager
def open_files(most: int) -> Iterator[None]:
    """Limit the open files of the processes that are started inside."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("command", "which"),
    [
        pytest.param(None, "API_PORT", id="api"),
        pytest.param(None, "AGENTGUARD_OTLP_PORT", id="otlp"),
        pytest.param(GUNICORN, "API_PORT", id="gunicorn", marks=pytest.mark.matrix),
    ],
)
def test_a_server_answers_under_more_half_open_connections_than_open_files(
    tmp_path: Path, command: list[str] | None, which: str
):
    port = free_port()
    variables = {"AGENTGUARD_API_KEY": "k", which: str(port)}
    with ExitStack() as stack:
        with open_files(256):
            server = stack.enter_context(running(tmp_path, command=command, **variables))
        sender = stack.enter_context(
            httpx.Client(base_url=server.url, headers={"Authorization": "Bearer k"})
        )
        stack.enter_context(half_open(port, 400))
        answers = [sender.get("/", timeout=60).status_code for _ in range(3)]
        answers.append(httpx.get(f"{server.url}/health/live", timeout=60).status_code)
        log = server.log.read_text()

    assert answers == [200] * 4
    assert "Too many open files" not in log
    assert log.count("connection_limit_reached") == 1
