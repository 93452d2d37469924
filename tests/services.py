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


@cache
def _started() -> dict[str, str]:
    fleet = remembered()
    return {} if fleet is None else {name.removeprefix("AGENTGUARD_"): value for name, value in fleet.settings.items()}


def server(name: str) -> str:
    """Return the value of a setting that points at a test server (DATABASE_URL, say); without that server, skip, but fail in CI."""
    found = os.environ.get(TEST_PREFIX + name) or _started().get(name)
    return found or _missing(f"No test server: {TEST_PREFIX}{name} is not set, and `make services` was not run.")


@contextmanager
def own(make: Callable[[Path], Server], folder: Path) -> Iterator[Server]:
    """Start a server of the test's own, to kill at will; where it cannot be had, skip, but fail in CI."""
    folder.chmod(0o755)  # PostgreSQL's user must be able to enter
    try:
        started = make(folder)
        started.start()
    except ServiceError as error:
        _missing(str(error))
    try:
        yield started
    finally:
        started.stop()


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
