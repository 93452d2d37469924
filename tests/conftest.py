"""What holds for every test."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from agentguard.environment import PLAIN_NAMES

settings.register_profile(
    "house", deadline=None
)  # the machine may be busy with other tests: time says nothing about a rule
settings.load_profile("house")

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # started in the background of a shell: what we start would ignore it too
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure() -> None:
    """AgentGuard reads .env wherever it is started.

    What tests delete would be deleted with the servers that it names.
    """
    if Path(".env").exists():
        pytest.exit(
            "There is a .env in this folder, and tests must not use the servers that it names. Move"
            " it away.",
            returncode=4,
        )


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests choose their settings; what the developer's shell exports stays outside."""
    for name in os.environ:
        if name.startswith("AGENTGUARD_") or name.removesuffix("_FILE") in PLAIN_NAMES.values():
            monkeypatch.delenv(name)
