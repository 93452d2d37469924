"""`agentguard audit`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agentguard.cli.main import app
from tests.cli.traces import write_traces


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", "data")
    monkeypatch.setenv("COLUMNS", "120")
    write_traces(tmp_path / "traces.jsonl")
    run("scan", "traces.jsonl", "--dataset", "one")
    run("scan", "traces.jsonl", "--dataset", "two")
    run("datasets", "delete", "one")
    return tmp_path


def run(*command: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, command, prog_name="agentguard")
    assert done.exit_code == code, done.output
    return done


def read(*command: str, code: int = 0) -> dict:
    return dict(json.loads(run(*command, "--format", "json", code=code).stdout))


def by_people(document: dict) -> list[dict]:
    """The entries of people; the traces are old, so that what is known of them also expires."""
    return [e for e in document["entries"] if e["actor"]["kind"] == "os_user"]


def test_the_log_shows_what_commands_changed_newest_first(home: Path):
    document = read("audit")

    assert [(e["action"], e["object"]) for e in by_people(document)] == [
        ("dataset.deleted", "one"),
        ("scan.stored", "two"),
        ("scan.stored", "one"),
    ]
    indexes = [e["index"] for e in document["entries"]]
    assert indexes == list(reversed(range(document["size"])))
    assert (document["pending"], document["next"]) == (0, None)
    assert f"The log holds {document['size']} entries." in run("audit").stdout


def test_reading_leaves_no_entry(home: Path):
    size = read("audit")["size"]
    for command in ("graph", "analyze", "datasets list", "audit", "audit fsck"):
        run(*command.split())

    assert read("audit")["size"] == size


def test_the_log_can_be_filtered_and_paged(home: Path):
    of_one = read("audit", "--object", "one")["entries"]
    assert [e["action"] for e in of_one] == ["dataset.deleted", "scan.stored"]
    whole, page = read("audit")["entries"], read("audit", "--limit", "2")
    assert page["entries"] + read("audit", "--before", str(page["next"]))["entries"] == whole


def test_one_entry_is_shown_whole(home: Path):
    newest = read("audit")["entries"][0]["index"]
    entry = read("audit", "show", str(newest))

    assert entry["payload"]["graph_versions"]["number"] == 1
    assert len(entry["payload"]["graph_versions"]["ids"]) == 1
    assert "dataset.deleted" in run("audit", "show", str(newest)).stdout
    assert f"has no entry {newest + 1}" in run("audit", "show", str(newest + 1), code=1).output


def test_a_payload_is_shown_as_json(home: Path):
    shown = " ".join(run("audit", "show", "0").stdout.split())

    payload = json.loads(shown.partition("Payload ")[2])
    assert payload == read("audit", "show", "0")["payload"]


def test_an_exported_entry_is_verified_without_the_data(home: Path):
    run("audit", "export", "1", "--output", "entry.proof")
    (home / "log.key").write_text(run("audit", "keys").stdout)
    (home / "data").rename(home / "gone")

    verified = read("audit", "verify", "entry.proof", "--key", "log.key")
    assert verified["outcome"] == "verified"
    assert read("audit", "verify", "entry.proof", code=3)["outcome"] == "not checkable"
    text = (home / "entry.proof").read_text()
    (home / "entry.proof").write_text(text.replace("index 1", "index 0"))
    assert read("audit", "verify", "entry.proof", "--key", "log.key", code=1)["outcome"] == "failed"


def test_files_that_cannot_be_used_are_named(home: Path):
    for code, command in (
        (2, ("audit", "verify", "missing.proof")),
        (2, ("audit", "verify", "traces.jsonl", "--key", "missing.key")),
        (1, ("audit", "export", "0", "--output", "missing/entry.proof")),
    ):
        told = run(*command, code=code).output
        assert "missing" in told, told
        assert "Choose another path." in told, told
    assert read("audit", "verify", "traces.jsonl", code=1)["outcome"] == "failed"
    odd = run("audit", "verify", "traces.jsonl", "--key", "traces.jsonl", code=2)
    assert "key" in odd.output


def test_the_whole_log_is_checked(home: Path):
    size = read("audit")["size"]

    found = read("audit", "fsck")
    assert found.pop("entries_per_second") > 0
    assert found == {
        "entries": size,
        "payloads_removed": 0,
        "signature_checked": True,
        "disagreements": [],
        "not_checkable": [],
    }
    assert f"{size} entries: entries, tiles and checkpoint agree." in run("audit", "fsck").stdout


def test_what_is_not_anchored_says_so(home: Path):
    told = " ".join(run("audit", "anchor").stdout.split())
    assert "Not anchored on a chain. Checkpoints are published nowhere." in told
    assert "WEB3_PROVIDER_URL" in told
    assert "AGENTGUARD_AUDIT_CHECKPOINT_DIR" in told
    assert read("audit", "anchor")["anchors"] == []
    assert "no anchor is final yet" in run("audit", "costs").stdout
    assert read("audit", "costs")["chains"] == []
    assert "No anchor is open." in run("audit", "anchor", "--give-up", code=1).output


def test_a_checkpoint_is_published_on_demand(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AGENTGUARD_AUDIT_CHECKPOINT_DIR", "published")
    size = read("audit")["size"]
    document = read("audit", "anchor", "--now")

    assert (document["published_in"], document["published_size"]) == ("published", size)
    (file,) = (home / "published").iterdir()
    assert file.read_text().splitlines()[1] == str(size)


def test_an_export_says_whether_it_is_anchored(home: Path):
    told = run("audit", "export", "0", "--output", "one.tlog-proof").output

    assert "which is not anchored" in " ".join(told.split())
