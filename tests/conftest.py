"""Settings and fixtures of every test."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from agentguard.environment import PLAIN_NAMES
from tests.databases import copy_new_files, drop_template

# No deadline: the machine may be busy with other tests.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

# By default, structlog prints the local variables of every frame of a traceback: that takes minutes
# where one of them is large.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ],
    # As AgentGuard does: standard output is what a command answers.
    logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
)

# A shell starts background processes with SIGINT ignored, and their children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure() -> None:
    """Refuse to run beside a .env: AgentGuard would read it, and tests delete servers' data."""
    if Path(".env").exists():
        pytest.exit(
            "This folder has a .env, and the tests would delete the data of the servers that it"
            " names. Move it elsewhere.",
            returncode=4,
        )
    copy_new_files()


def pytest_sessionfinish() -> None:
    """Leave nothing behind on a server that goes on."""
    drop_template()


@pytest.fixture(autouse=True)
def _own_log_configuration() -> Iterator[None]:
    """Undo what a test changes of the log's configuration."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(autouse=True)
def _no_inherited_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the settings that the developer's shell exports."""
    for name in os.environ:
        if name.startswith("AGENTGUARD_") or name.removesuffix("_FILE") in PLAIN_NAMES.values():
            monkeypatch.delenv(name)
