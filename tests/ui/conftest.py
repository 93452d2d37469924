"""The browser of all walks through the UI, and a server with the recorded demo."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ui.walking import Browser, browser_here
from tests.web.process import Server, inherited

WEBHOOK = "http://127.0.0.1:9/hook"
"""Refused before anything is sent: an address of this machine is no receiver."""


@pytest.fixture(scope="session")
def browser() -> Browser:
    return browser_here()


@contextmanager
def demo_server(folder: Path, **settings: str) -> Iterator[Server]:
    """A server with the recorded demo."""
    loaded = subprocess.run(
        [sys.executable, "-m", "agentguard.cli", "demo", "--load"],
        env=inherited() | {"AGENTGUARD_DATA_DIR": str(folder / "data")},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert loaded.returncode == 0, loaded.stderr
    server = Server(
        folder,
        AGENTGUARD_WEBHOOK_URL=WEBHOOK,
        AGENTGUARD_WEBHOOK_SECRET=f"whsec_{'A' * 43}=",
        **settings,
    )
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the module's own, with the recorded demo."""
    with demo_server(tmp_path_factory.mktemp("ui")) as server:
        yield server
