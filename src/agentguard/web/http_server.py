"""Uvicorn as all our servers run it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from agentguard.settings import Settings


class Server(uvicorn.Server):
    """Uvicorn's, but a stop ends open streams first: it would wait for them."""

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end_streams()
        await super().shutdown(sockets)


def options(settings: Settings) -> dict[str, Any]:
    """Return the options of uvicorn's Config that are the same in all."""
    return {
        "proxy_headers": False,  # X-Forwarded-For must not turn a stranger into a neighbour
        "server_header": False,
        "timeout_graceful_shutdown": settings.shutdown_seconds,
    }
