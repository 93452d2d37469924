"""The application as a foreign ASGI server drives it.

What it answers when it cannot open, or not close.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentguard.bootstrap.opening import open_app
from agentguard.kernel.errors import UnavailableError
from agentguard.web import asgi

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("AGENTGUARD_OTLP_GRPC_PORT", "0")


async def lived() -> list[dict[str, str]]:
    """Start the application, stop it once it is up, and return what it answered."""
    answers: list[dict[str, str]] = []
    asked: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    asked.put_nowait({"type": "lifespan.startup"})

    async def send(message) -> None:
        answers.append(message)
        asked.put_nowait({"type": "lifespan.shutdown"})

    await asgi.Application()({"type": "lifespan"}, asked.get, send)
    return answers


async def test_a_start_and_a_stop_are_answered():
    assert [answer["type"] for answer in await lived()] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


async def test_one_that_cannot_open_says_why(tmp_path: Path):
    (tmp_path / "data").touch()

    (answer,) = await lived()

    assert answer["type"] == "lifespan.startup.failed"
    assert "AGENTGUARD_DATA_DIR" in answer["message"]


async def test_trouble_at_the_end_is_not_told_as_trouble_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
):
    @asynccontextmanager
    async def closing_badly(*args, **kwargs):
        async with open_app(*args, **kwargs) as app:
            yield app
        raise UnavailableError("The disk is gone.")

    monkeypatch.setattr(asgi, "open_app", closing_badly)

    assert await lived() == [
        {"type": "lifespan.startup.complete"},
        {"type": "lifespan.shutdown.failed", "message": "The disk is gone."},
    ]


async def test_settings_without_effect_and_a_closed_door_are_said(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("AGENTGUARD_RETENTON_HOURS", "1")
    monkeypatch.setenv("API_HOST", "0.0.0.0")  # noqa: S104 - nothing listens

    await lived()

    said = capfd.readouterr().err
    assert "AGENTGUARD_RETENTON_HOURS" in said
    assert "loopback_requests_only" in said
