"""Redis, from Debian's package."""

from __future__ import annotations

from pathlib import Path

import redis as client

from scripts.services.packages import debian_root, library_path
from scripts.services.process import Server, free_port

DATABASES = 64


def redis(folder: Path) -> Server:
    root, port = debian_root(), free_port()
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "databases": str(DATABASES),
        "save": "",
        "appendonly": "yes",
        "appendfsync": "always",
    }
    url = f"redis://127.0.0.1:{port}/0"
    return Server(
        "redis",
        folder,
        [
            str(root / "usr/bin/redis-server"),
            *(part for name, value in options.items() for part in (f"--{name}", value)),
        ],
        {"AGENTGUARD_REDIS_URL": url},
        lambda: _ask(url),
        {"LD_LIBRARY_PATH": library_path(root)},
    )


def _ask(url: str) -> None:
    with client.Redis.from_url(url, socket_timeout=5) as asked:
        asked.ping()
