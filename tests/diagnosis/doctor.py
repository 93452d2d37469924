"""Running `agentguard doctor` and reading what it found."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from agentguard.cli.main import app

PASSWORD = "zq9-open-sesame"
"""Planted wherever a password can stand; nothing that is printed may hold it."""


class Doctor:
    """The command, with settings of the test's own and nothing else."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def examine(self, *options: str, **settings: str) -> dict[str, list[dict[str, Any]]]:
        """Return the checks by name."""
        for name, value in settings.items():
            self._monkeypatch.setenv(name, value)
        done = CliRunner().invoke(
            app, ["doctor", "--format", "json", *options], prog_name="agentguard"
        )
        assert PASSWORD not in done.output + done.stderr
        document = json.loads(done.stdout)
        assert done.exit_code == (1 if document["finding"] == "broken" else 0)
        found: dict[str, list[dict[str, Any]]] = {}
        for check in document["checks"]:
            found.setdefault(check["name"], []).append(check)
        return found

    def only(self, name: str, *options: str, **settings: str) -> tuple[str, str]:
        """Return the finding and the detail of the one check of this name."""
        (check,) = self.examine(*options, **settings)[name]
        return check["finding"], check["detail"]


def with_password(url: str) -> str:
    """Return the URL with the planted password in it, for the same user."""
    parts = urlsplit(url)
    return parts._replace(
        netloc=f"{parts.username or ''}:{PASSWORD}@{parts.hostname}:{parts.port}"
    ).geturl()
