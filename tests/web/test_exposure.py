"""Addresses that other machines can reach need a key, or a proxy that authenticates."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.sock import create_sockets
from pydantic import SecretStr

from agentguard.settings import Settings
from agentguard.web.exposure import ExposedError, refuse_exposure
from agentguard.web.server import bind
from tests.web.process import inherited

EVERYWHERE = ["0.0.0.0", "::", "10.0.0.7", "2001:db8::1", "agents.example", ""]  # noqa: S104 - not bound
GUNICORN = [
    sys.executable,
    "-m",
    "gunicorn",
    "--config=python:agentguard.web.gunicorn",
    "agentguard.web.asgi:app",
]
AGENTGUARD = [sys.executable, "-c", "from agentguard.cli.main import run; run()"]


@pytest.mark.parametrize("host", EVERYWHERE)
def test_an_open_address_needs_a_key_or_a_proxy_that_authenticates(host: str):
    with pytest.raises(ExposedError, match="Set AGENTGUARD_API_KEY"):
        refuse_exposure(Settings(), host)

    refuse_exposure(Settings(api_key=SecretStr("k")), host)
    refuse_exposure(Settings(proxy_authenticates=True), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_an_address_of_this_machine_needs_neither(host: str):
    refuse_exposure(Settings(), host)


@pytest.mark.parametrize(
    "command",
    [
        [*AGENTGUARD, "serve", "--host", "0.0.0.0"],  # noqa: S104 - refused
        [*GUNICORN, "--bind=0.0.0.0:0"],
        [*GUNICORN, "--bind=127.0.0.1:0", "--bind=[::]:0"],
    ],
    ids=["serve", "gunicorn", "one of two"],
)
def test_a_server_without_authentication_does_not_start_on_an_open_address(
    tmp_path: Path, command: list[str]
):
    environment = inherited() | {"AGENTGUARD_OTLP_PORT": "0", "API_PORT": "0"}

    ended = subprocess.run(
        command,
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ended.returncode == 1
    assert "no API key is set" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def _of_serve() -> socket.socket:
    return bind("127.0.0.1", 0)


def _of_gunicorn() -> socket.socket:
    config = Config()
    config.set("bind", "127.0.0.1:0")
    return create_sockets(config, Logger(config))[0].sock


@pytest.mark.parametrize("listening", [_of_serve, _of_gunicorn])
def test_small_answers_are_sent_at_once(listening):
    """With Nagle's algorithm, the second write of an answer waits for the client's delayed ACK."""
    assert asyncio.run(_is_without_delay(listening()))


async def _is_without_delay(listening: socket.socket) -> bool:
    found = asyncio.get_running_loop().create_future()

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        found.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async with await asyncio.start_server(answer, sock=listening) as server:
        address = server.sockets[0].getsockname()
        _, writer = await asyncio.open_connection(*address[:2])
        delay_off = await found
        writer.close()
        await writer.wait_closed()
    return bool(delay_off)
