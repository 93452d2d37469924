"""`agentguard users`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agentguard.cli.main import app
from tests.accounts.quick import _quick_hashes  # noqa: F401 - a fixture

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", str(tmp_path / "data"))


def run(*words: str, code: int = 0, typed: str = f"{PASSWORD}\n"):
    ended = CliRunner().invoke(app, ["users", *words], input=typed)
    assert ended.exit_code == code, ended.output
    assert PASSWORD not in ended.output
    return ended


def test_users_are_created_changed_and_removed():
    ada = json.loads(run("create", "ada", "--role", "admin", "--format", "json").stdout)
    run("create", "bob", "--role", "viewer", "--no-password")

    assert ada["permissions"] == ["ingest", "read", "simulate", "operate", "admin"]
    assert "operator" in run("role", "bob", "operator").stdout
    run("password", "bob")
    run("sign-out", "bob")
    assert "last user with the role admin" in run("remove", "ada", code=1).output
    run("remove", "bob")
    listed = json.loads(run("list", "--format", "json").stdout)
    assert [each["name"] for each in listed["users"]] == ["ada"]
    assert "ada" in run("list").stdout


def test_wrong_use_is_an_error():
    short = run("create", "a", "--role", "viewer", typed="short\n", code=1)
    assert "A password has 15 to 1024 characters." in short.output
    run("create", "a", "--role", "root", code=2)
    run("create", "a", "--role", "viewer")
    assert "already a user" in run("create", "A", "--role", "viewer", code=1).output
    assert "There is no user 'x'" in run("remove", "x", code=1).output
