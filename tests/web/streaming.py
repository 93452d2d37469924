"""A server in this process, for what must be read while it comes.

Httpx's own transport waits for the whole answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import httpx
import uvicorn

from agentguard.bootstrap.app import App
from agentguard.web.app import create_app
from agentguard.web.server import bind
from agentguard.web.state import AppState
from tests.web.serving import until
from tests.web.strict import check_event

Event: TypeAlias = tuple[str, Any]


@asynccontextmanager
async def streaming(
    app: App, *, look_seconds: float | None = None
) -> AsyncIterator[tuple[httpx.AsyncClient, AppState]]:
    """Give a client of the application and what its routes share.

    Streams look at the stores this often, or as they do.
    """
    api = create_app(app)
    state: AppState = api.state.agentguard
    if look_seconds is not None:
        state.streams.look_seconds = look_seconds
    server = uvicorn.Server(
        uvicorn.Config(api, lifespan="off", log_config=None, timeout_graceful_shutdown=20)
    )
    with bind("127.0.0.1", 0) as socket:
        url = f"http://127.0.0.1:{socket.getsockname()[1]}"
        async with (
            asyncio.TaskGroup() as tasks,
            httpx.AsyncClient(base_url=url, timeout=60) as client,
        ):
            tasks.create_task(server.serve(sockets=[socket]))
            await until(lambda: _is_up(server))
            try:
                yield client, state
            finally:
                state.streams.end()
                server.should_exit = True


async def _is_up(server: uvicorn.Server) -> bool:
    return server.started


@asynccontextmanager
async def events(
    client: httpx.AsyncClient, path: str, **parameters: Any
) -> AsyncIterator[AsyncIterator[Event]]:
    """Give the events of a stream as they come, each with its name and its data, checked."""
    async with client.stream("GET", path, params=parameters) as response:
        response.raise_for_status()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield _events(response)


async def _events(response: httpx.Response) -> AsyncIterator[Event]:
    name = ""
    async for line in response.aiter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data = json.loads(value)
            check_event(name, data)
            yield name, data


async def following(stream: AsyncIterator[Event], seconds: float = 30) -> Any:
    """Return the next event."""
    async with asyncio.timeout(seconds):
        return await anext(stream)
