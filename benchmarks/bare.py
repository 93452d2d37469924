"""An endpoint that answers every request with the bytes of one file, for comparison."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvicorn

from agentguard.settings import Settings
from agentguard.web.connections import connection_limits
from agentguard.web.http_server import Server, options
from agentguard.web.server import bind

CONTENT = Path(sys.argv[1]).read_bytes() if len(sys.argv) > 1 else b""
HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", str(len(CONTENT)).encode()),
]


async def app(_scope, receive, send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": CONTENT})


def main() -> None:
    settings = Settings()
    config = uvicorn.Config(app, lifespan="off", log_config=None, **options(settings))
    with bind("127.0.0.1", 0) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        server = Server(config, connection_limits(settings), lambda: None)
        asyncio.run(server.serve(sockets=[listening]))


if __name__ == "__main__":
    main()
