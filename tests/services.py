"""Where the real servers are that tests talk to: named in the environment, or started by `make services`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

from scripts.services.fleet import remembered
from scripts.services.process import Server, ServiceError

TEST_PREFIX = "AGENTGUARD_TEST_"
_NAMED = {name: value for name, value in os.environ.items() if name.startswith(TEST_PREFIX)}
"""Read before tests begin: in them, nothing of AgentGuard is set."""


def redis_url() -> str:
    """Return the URL of a Redis database that no other test process uses; without a server as `server` does."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return f"{server('REDIS_URL').rpartition('/')[0]}/{1 + worker}"


@contextmanager
def own(kind: Callable[[Path], Server], folder: Path) -> Iterator[Server]:
    """Give a started server of a test's own, to kill and start again; where it cannot be had, skip, but fail in CI."""
    folder.chmod(0o755)  # PostgreSQL's user must be able to enter
    try:
        server = kind(folder)
        server.start()
    except ServiceError as error:
        _missing(str(error))
    try:
        yield server
    finally:
        server.stop()


@cache
def _started() -> dict[str, str]:
    fleet = remembered()
    return {} if fleet is None else {name.removeprefix("AGENTGUARD_"): value for name, value in fleet.settings.items()}


def server(name: str) -> str:
    """Return the value of a setting that points at a test server (DATABASE_URL, say); without that server, skip, but fail in CI."""
    found = _NAMED.get(TEST_PREFIX + name) or _started().get(name)
    return found or _missing(f"No test server: {TEST_PREFIX}{name} is not set, and `make services` was not run.")


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
