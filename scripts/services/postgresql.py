"""PostgreSQL, from Debian's package."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import subprocess
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg

from scripts.services.packages import debian_root, library_path, the_one
from scripts.services.process import Server, ServiceError, as_user, free_port, give_to

USER = "agentguard"


def postgresql(folder: Path) -> Server:
    """Return a server with its data in this folder, which its user must be able to enter."""
    root, port, user = debian_root(), free_port(), _unprivileged()
    environment = {"LD_LIBRARY_PATH": library_path(root), "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    programs = the_one(root, "usr/lib/postgresql/*/bin")
    give_to(user, folder)
    _make_cluster(programs, folder / "data", user, environment)
    options = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "off",  # only a crash of the machine needs it, not a killed server
        "max_connections": "200",
    }
    chosen = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    url = f"postgresql://{USER}@127.0.0.1:{port}/postgres"
    return Server(
        "postgresql",
        folder,
        [str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(port), *chosen],
        {"AGENTGUARD_DATABASE_URL": url},
        lambda: _in_a_loop_of_its_own(_ask(url)),
        environment,
        user,
        stop_signal=signal.SIGINT,  # "fast": ends sessions rather than wait for them
    )


def _in_a_loop_of_its_own(question: Coroutine[None, None, None]) -> None:
    """Run it in a thread, so that a running event loop does not matter."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, question).result()


async def _ask(url: str) -> None:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        await connection.fetchval("SELECT 1")
    finally:
        await connection.close()


def _unprivileged() -> str | None:
    """Return the user to run as: PostgreSQL refuses root.

    The unpacked package created no user `postgres`; `nobody` does as well.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise ServiceError(
        "PostgreSQL refuses to run as root, and there is no user postgres or nobody."
    )


def _make_cluster(
    programs: Path, data: Path, user: str | None, environment: dict[str, str]
) -> None:
    if data.exists():
        return
    command = [
        str(programs / "initdb"),
        "-D",
        str(data),
        "-U",
        USER,
        "--auth=trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
    ]
    done = subprocess.run(
        command,
        cwd=data.parent,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        **as_user(user),
    )
    if done.returncode != 0:
        raise ServiceError(f"initdb failed: {done.stderr.strip()}")
