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
from structlog.testing import capture_logs

from agentguard.accounts.principal import Permission
from agentguard.bootstrap.opening import open_app
from agentguard.bootstrap.startup_warnings import tell_of_loopback_only
from agentguard.cli.principal import os_user
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
pytestmark = pytest.mark.anyio

AGENTGUARD = [sys.executable, "-c", "from agentguard.cli.main import run; run()"]


@pytest.mark.parametrize("host", EVERYWHERE)
async def test_an_open_address_needs_a_key_or_a_proxy_that_authenticates(tmp_path: Path, host: str):
    with pytest.raises(ExposedError, match="Set AGENTGUARD_API_KEY"):
        await refuse_exposure(Settings(data_dir=tmp_path), host)

    await refuse_exposure(Settings(api_key=SecretStr("k")), host)
    await refuse_exposure(Settings(proxy_authenticates=True), host)
    await refuse_exposure(Settings(users=True), host)


async def test_a_key_in_the_database_is_a_key_and_asking_creates_nothing(tmp_path: Path):
    settings = Settings(data_dir=tmp_path / "data")
    with pytest.raises(ExposedError):
        await refuse_exposure(settings, "0.0.0.0")  # noqa: S104 - not bound
    assert not settings.data_dir.exists()

    async with open_app(settings) as app:
        with pytest.raises(ExposedError):
            await refuse_exposure(settings, "0.0.0.0")  # noqa: S104 - not bound
        await app.accounts.keys.create(os_user(), "k", [Permission.READ])

    await refuse_exposure(settings, "0.0.0.0")  # noqa: S104 - not bound


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
async def test_an_address_of_this_machine_needs_neither(host: str):
    await refuse_exposure(Settings(), host)


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


def test_a_server_without_keys_says_that_this_machine_needs_none():
    def told(host: str, *, accounts: bool = False, **settings) -> list[tuple[str, str]]:
        with capture_logs() as logs:
            tell_of_loopback_only(Settings(**settings), host, accounts=accounts)
        return [(each["log_level"], each["event"]) for each in logs]

    assert told("127.0.0.1") == [("info", "loopback_requests_only")]
    assert told("0.0.0.0") == [("warning", "loopback_requests_only")]  # noqa: S104 - not bound
    assert told("127.0.0.1", api_key=SecretStr("k")) == []
    assert told("127.0.0.1", users=True) == []
    assert told("127.0.0.1", accounts=True) == []


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
