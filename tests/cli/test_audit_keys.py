"""`agentguard audit keys`."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agentguard.adapters.files.audit_key import new_key, write_key
from agentguard.audit.handovers import Handover
from agentguard.cli.main import app
from tests.cli.traces import write_traces


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", "data")
    monkeypatch.setenv("AGENTGUARD_AUDIT_ORIGIN", "example.com/log")
    monkeypatch.setenv("COLUMNS", "120")
    write_traces(tmp_path / "traces.jsonl")
    return tmp_path


def run(*command: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, command, prog_name="agentguard")
    assert done.exit_code == code, done.output
    return done


def read(*command: str, code: int = 0) -> dict:
    return dict(json.loads(run(*command, "--format", "json", code=code).stdout))


def scan() -> None:
    run("scan", "traces.jsonl")


def actions() -> list[str]:
    return [e["action"] for e in read("audit")["entries"] if e["actor"]["kind"] == "os_user"]


def test_a_rotated_key_is_stored_beside_the_old_one_and_both_verify(home: Path):
    scan()
    (home / "old.key").write_text(run("audit", "keys").stdout)
    told = run("audit", "keys", "rotate").output
    (home / "new.key").write_text(run("audit", "keys").stdout)
    scan()
    run("audit", "export", "0", "--output", "entry.proof")

    assert "handed over to" in told
    for key in ("old.key", "new.key"):
        assert read("audit", "verify", "entry.proof", "--key", key)["outcome"] == "verified"
    assert actions() == ["scan.stored", "audit-key.rotated", "scan.stored"]
    assert read("audit")["pending"] == 0
    assert read("audit", "fsck")["disagreements"] == []
    files = sorted((home / "data" / "audit").glob("signing-key*"))
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
    old = (home / "old.key").read_text().strip()
    assert files[1].name == f"signing-key.{old.split('+')[1]}"
    document = read("audit", "keys")
    assert document["former"] == [
        {"key": old, "largest_size": document["former"][0]["largest_size"]}
    ]


def test_a_key_of_the_settings_is_replaced_by_a_file_that_a_setting_then_names(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    write_key(home / "key-1", new_key("example.com/log"))
    monkeypatch.setenv("AGENTGUARD_AUDIT_KEY_FILE", "key-1")
    scan()
    assert "--new-key FILE" in run("audit", "keys", "rotate", code=1).output
    told = run("audit", "keys", "rotate", "--new-key", "key-2").output
    assert "Set AGENTGUARD_AUDIT_KEY_FILE=key-2" in told
    scan()
    assert read("audit")["pending"] > 0
    assert "was replaced by" in run("audit", "keys", code=1).output

    monkeypatch.setenv("AGENTGUARD_AUDIT_KEY_FILE", "key-2")
    scan()
    assert read("audit")["pending"] == 0
    assert read("audit", "fsck")["disagreements"] == []
    assert [file.name for file in (home / "data" / "audit").iterdir()] == ["signed-checkpoint"]


def test_a_rotation_that_ended_before_its_file_was_put_in_use_goes_on(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    scan()
    monkeypatch.setattr("agentguard.bootstrap.audit_keys.put_in_use", lambda *_: None)
    run("audit", "keys", "rotate")
    monkeypatch.undo()
    monkeypatch.chdir(home)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", "data")
    scan()

    assert read("audit")["pending"] == 0
    assert len(read("audit", "keys")["former"]) == 1
    run("audit", "keys", "rotate")
    assert len(read("audit", "keys")["former"]) == 2
    assert read("audit", "fsck")["disagreements"] == []


@pytest.mark.parametrize("loss", ["deleted", "damaged"])
def test_where_the_key_is_lost_a_new_log_cites_the_old_one(home: Path, loss: str):
    scan()
    path = home / "data" / "audit" / "signing-key"
    path.unlink() if loss == "deleted" else path.write_text("x")
    told = run("audit", "keys", code=1).output
    assert "If that key is lost" in told if loss == "deleted" else "backup" in told
    assert path.exists() == (loss == "damaged")
    assert "needs another name" in run("audit", "keys", "begin", code=1).output
    told = run("audit", "keys", "begin", "--origin", "example.com/log-2").output
    assert "'example.com/log' ended at size" in told
    scan()

    assert actions() == ["scan.stored", "audit-log.begun", "scan.stored"]
    assert read("audit", "fsck")["disagreements"] == []
    assert run("audit", "keys").stdout.startswith("example.com/log-2+")
    assert "is not lost" in run("audit", "keys", "begin", "--origin", "x", code=1).output


def test_a_check_says_whether_the_key_has_signed_the_log(home: Path):
    scan()
    key = home / "data" / "audit" / "signing-key"
    own = key.read_text()
    key.unlink()
    assert "signature was not checked" in run("audit", "fsck", code=3).stdout
    assert not key.exists(), "a question makes no key"
    write_key(key, new_key("example.com/other"))
    assert "is not signed by this key" in " ".join(run("audit", "fsck", code=1).stdout.split())
    key.write_text(own)
    assert "agree" in run("audit", "fsck").stdout


def test_the_note_of_a_rotation_is_printed_for_monitors(home: Path):
    scan()
    assert "never replaced" in run("audit", "keys", "handover", code=1).output
    old = run("audit", "keys").stdout
    run("audit", "keys", "rotate")
    note = run("audit", "keys", "handover").stdout.encode()
    made = Handover.parse(note)
    assert made.old.encode() == old.strip()
    assert made.new.encode() == run("audit", "keys").stdout.strip()


def test_keys_of_no_installation_are_not_made_up(home: Path):
    told = run("audit", "keys", "--data-dir", "elsewhere", code=1).output
    assert "elsewhere" in told
    assert not (home / "elsewhere").exists()
