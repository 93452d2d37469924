"""A proxy in front of a real server that can drop all traffic while connections stay open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit


@dataclass
class Proxy:
    """Forwards traffic. After `swallow`, connections open by then drop it; new ones work."""

    url: str
    _open: list[asyncio.Event] = field(default_factory=list)

    def swallow(self) -> None:
        for swallowing in self._open:
            swallowing.set()

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = urlsplit(self.url)
        server_reader, server_writer = await asyncio.open_connection(there.hostname, there.port)
        swallowing = asyncio.Event()
        self._open.append(swallowing)
        await asyncio.gather(
            _pass(reader, server_writer, swallowing), _pass(server_reader, writer, swallowing)
        )


async def _pass(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, swallowing: asyncio.Event
) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            if not swallowing.is_set():
                writer.write(data)
                await writer.drain()
    writer.close()


@asynccontextmanager
async def proxy_before(url: str) -> AsyncIterator[tuple[str, Proxy]]:
    """Yield the proxy's URL and the proxy."""
    proxy = Proxy(url)
    listening = await asyncio.start_server(proxy.meet, "127.0.0.1")
    port = listening.sockets[0].getsockname()[1]
    parts = urlsplit(url)
    who = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    try:
        yield urlunsplit(parts._replace(netloc=f"{who}127.0.0.1:{port}")), proxy
    finally:
        listening.close()
