"""The addresses of the real servers that the tests use.

The environment names them, or `make services` started them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

from scripts.services.fleet import Fleet, read, staying
from scripts.services.naming import FLEET, TEST_PREFIX, for_tests
from scripts.services.process import Server, ServiceError

_NAMED = {name: value for name, value in os.environ.items() if name.startswith(TEST_PREFIX)}
"""Read at import: during a test no setting of AgentGuard is set."""


def redis_url() -> str:
    """Return the URL of a Redis database that no other test process uses.

    Without a server, behave as `server` does.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return f"{server('REDIS_URL').rpartition('/')[0]}/{1 + worker}"


@contextmanager
def own(kind: Callable[[Path], Server], folder: Path) -> Iterator[Server]:
    """Yield a running server that the test may kill and restart.

    If it cannot be started, skip the test, or fail it in CI.
    """
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
def our_fleet() -> Fleet | None:
    """Return the test servers that this run or `make services` started."""
    return read(Path(_NAMED[FLEET])) if FLEET in _NAMED else staying()


@cache
def _found() -> dict[str, str]:
    fleet = our_fleet()
    return _NAMED if fleet is None else for_tests(fleet.settings, _NAMED) | _NAMED


def beside(name: str) -> str | None:
    """Return an optional setting of a test server, such as its password, or None."""
    return _found().get(TEST_PREFIX + name)


def server(name: str) -> str:
    """Return the setting that points at a test server (DATABASE_URL, for example).

    Without that server, skip the test, or fail it in CI.
    """
    return _found().get(TEST_PREFIX + name) or _missing(
        f"No test server: {TEST_PREFIX}{name} is not set. Set it or run `make services`."
    )


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
