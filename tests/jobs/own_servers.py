"""Servers of a test's own, which it may kill."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.services.process import Server, ServiceError


@contextmanager
def own_server(kind: Callable[[Path], Server], folder: Path) -> Iterator[Server]:
    """Start such a server in this folder; where it cannot be had, skip, but fail in CI."""
    try:
        server = kind(folder)
        server.start()
    except ServiceError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    try:
        yield server
    finally:
        server.stop()
