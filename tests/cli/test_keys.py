"""`agentguard keys`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agentguard.cli.main import app


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", str(tmp_path / "data"))


def run(*words: str, code: int = 0):
    ended = CliRunner().invoke(app, ["keys", *words])
    assert ended.exit_code == code, ended.output
    return ended


def as_json(*words: str) -> dict:
    return json.loads(run(*words, "--format", "json").stdout)


def test_a_new_installation_gets_its_first_key_which_alone_is_printed():
    made = run("create", "collector", "--scope", "ingest", "--expires", "90d")

    assert re.fullmatch(r"ag_[0-9a-f]{12}_[\w-]{43}\n", made.stdout)
    assert "shown this once" in made.stderr
    listed = run("list")
    assert "collector" in listed.stdout
    assert made.stdout.strip() not in listed.stdout


def test_keys_are_rotated_expired_and_revoked():
    made = as_json("create", "k", "--scope", "read", "--scope", "admin")
    rotated = as_json("rotate", made["id"], "--overlap", "1h")
    expired = as_json("expire", made["id"], "--at", "2020-01-01")
    lasting = as_json("expire", made["id"], "--never")
    revoked = as_json("revoke", made["id"])

    assert made["scopes"] == ["read", "admin"]
    assert rotated["key"].startswith(made["prefix"])
    assert rotated["former_secret_until"] is not None
    assert (expired["state"], lasting["state"], revoked["state"]) == (
        "expired",
        "active",
        "revoked",
    )
    assert [each["id"] for each in as_json("list")["keys"]] == [made["id"]]


def test_wrong_use_is_an_error():
    run("create", "k", "--scope", "root", code=2)
    run("create", "k", code=2)
    run("create", "k", "--scope", "read", "--expires", "soon", code=2)
    run("create", "k", "--scope", "read")
    run("expire", "nothing", code=2)
    assert "There is no API key 'nothing'" in run("revoke", "nothing", code=1).output
