"""The application for tests: real stores, no server, no worker processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from agentguard.bootstrap.app import App, Serving
from agentguard.bootstrap.opening import open_app
from agentguard.settings import Settings
from agentguard.web.app import create_app
from tests.web.strict import check_response

LOCAL = ("127.0.0.1", 50_000)


@asynccontextmanager
async def opened(directory: Path, **settings: Any) -> AsyncIterator[App]:
    async with open_app(
        Settings(data_dir=directory / "data", **settings), serving=True, in_processes=False
    ) as app:
        yield app


def client_of(
    api: Any,
    *,
    peer: tuple[str, int] = LOCAL,
    url: str = "http://127.0.0.1:8000",
    raise_app_exceptions: bool = True,
    **how: Any,
) -> httpx.AsyncClient:
    """Return a client that holds every response strictly against the OpenAPI document."""
    transport = httpx.ASGITransport(api, client=peer, raise_app_exceptions=raise_app_exceptions)
    hooks = {"response": [check_response]}
    return httpx.AsyncClient(transport=transport, base_url=url, event_hooks=hooks, **how)


@asynccontextmanager
async def served(directory: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(directory, **settings) as app, client_of(create_app(app)) as client:
        yield client


async def until(question, *, seconds: float = 20) -> Any:
    """Ask until the answer is true, and return it."""
    async with asyncio.timeout(seconds):
        while not (answer := await question()):  # noqa: ASYNC110 - the answer is on the other side of HTTP
            await asyncio.sleep(0.02)
    return answer


async def live_spans(client: httpx.AsyncClient) -> int:
    """Return how many spans the live graph shows."""
    answer = await client.get("/api/graph", params={"dataset": "live"})
    return int(answer.json()["coverage"]["spans"]) if answer.status_code == 200 else 0


def serving_of(app: App) -> Serving:
    assert app.serving is not None
    return app.serving
