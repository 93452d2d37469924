"""Runs the health checks of docker-compose.yml's servers.

Their own words, with the real clients, on the ports that servers have here.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from scripts.services.packages import debian_root, library_path
from tests.deploy.servers import SERVICES
from tests.deploy.stack import Stack

_ON_LOOPBACK = "-kernel inet_dist_use_interface {127,0,0,1}"


def check_health(stack: Stack, folder: Path, name: str, port: int) -> int:
    """Return the exit code of the server's health check, as if the server were on this port."""
    for program, words in _clients(port).items():
        (folder / program).write_text(f'#!/bin/sh\nexec {" ".join(words)} "$@"\n')
        (folder / program).chmod(0o755)
    environment = _environment(stack, name, port)
    environment["PATH"] = f"{folder}:{environment['PATH']}"
    done = subprocess.run(
        _words(stack, name),
        env=environment,
        cwd=folder,
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode


def _words(stack: Stack, name: str) -> list[str]:
    kind, *words = [stack.container.place(word) for word in SERVICES[name]["healthcheck"]["test"]]
    if name == "postgresql":
        words[words.index("-d") + 1] = stack.database
    return ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words


def _clients(port: int) -> dict[str, list[str]]:
    root = debian_root()
    rabbitmq = next(root.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*")) / "sbin"
    return {
        "psql": [str(next(root.glob("usr/lib/postgresql/*/bin/psql"))), "-p", str(port)],
        "redis-cli": [str(root / "usr/bin/redis-cli"), "-p", str(port)],
        "rabbitmqctl": [str(rabbitmq / "rabbitmqctl")],
        "rabbitmq-diagnostics": [str(rabbitmq / "rabbitmq-diagnostics")],
    }


def _environment(stack: Stack, name: str, port: int) -> dict[str, str]:
    plain = {**os.environ, "LD_LIBRARY_PATH": library_path(debian_root())}
    if name != "rabbitmq":
        return plain
    node = {
        "RABBITMQ_NODENAME": f"agentguard-{port}@localhost",
        "RABBITMQ_CTL_ERL_ARGS": _ON_LOOPBACK,
    }
    return {**plain, **stack.servers[name].environment, **node}
