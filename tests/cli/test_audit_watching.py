"""`agentguard audit monitor`, `publish` and `cosign`, on a server whose database is changed."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from agentguard.audit.canonical import canonical_json
from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.handovers import hand_over
from agentguard.audit.keys import SigningKey
from agentguard.audit.notes import Note
from agentguard.cli.main import app
from tests.audit.keys import WITNESS, signing_key
from tests.cli.traces import write_traces
from tests.web.process import Server, running
from tests.web.systems import shop

pytestmark = pytest.mark.xdist_group("audit-monitor")


def run(*command: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["audit", *command], prog_name="agentguard")
    assert done.exit_code == code, done.output
    return done


def read(*command: str, code: int = 0) -> dict:
    return dict(json.loads(run(*command, "--format", "json", code=code).stdout))


@dataclass(frozen=True)
class Installation:
    """A running server, and what an adversary with its database and its key can do."""

    server: Server
    folder: Path

    @property
    def log(self) -> str:
        return f"{self.server.url}/log"

    @property
    def key(self) -> SigningKey:
        return SigningKey.parse((self.folder / "data" / "audit" / "signing-key").read_text())

    def scan(self, dataset: str) -> None:
        scan = {"dataset": dataset}
        url = f"{self.server.url}/api/scan"
        httpx.post(url, json=shop(), params=scan, timeout=60).raise_for_status()
        self.wait_for_sequencing()

    def sql(self, *statements: str, **values: object) -> None:
        """Change the database in one transaction."""
        with closing(sqlite3.connect(self.folder / "data" / "agentguard.db", timeout=30)) as base:
            base.execute("BEGIN IMMEDIATE")
            for statement in statements:
                base.execute(statement, {n: v for n, v in values.items() if f":{n}" in statement})
            base.commit()

    def rows(self, query: str) -> list[tuple]:
        with closing(sqlite3.connect(self.folder / "data" / "agentguard.db")) as base:
            return list(base.execute(query))

    def rewrite(self, *statements: str, **values: object) -> None:
        """Change entries as the operator: the server signs them again with its own key.

        It would refuse that to an adversary who cannot delete what it remembers beside the key.
        """
        (self.folder / "data" / "audit" / "signed-checkpoint").unlink()
        self.sql(
            *statements,
            "UPDATE audit_entries SET log_index = NULL",
            "DELETE FROM audit_tiles",
            "DELETE FROM audit_checkpoints",
            "DELETE FROM audit_logs",
            **values,
        )
        self.wait_for_sequencing()

    def wait_for_sequencing(self) -> None:
        until = time.monotonic() + 30
        while self.rows("SELECT 1 FROM audit_entries WHERE log_index IS NULL LIMIT 1"):
            assert time.monotonic() < until
            time.sleep(0.05)

    def checkpoint(self) -> bytes:
        return httpx.get(f"{self.log}/checkpoint").content


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("installation")
    with running(folder) as server:
        found = Installation(server, folder)
        found.scan("first")
        yield found


@pytest.fixture
def seen(installation: Installation, tmp_path: Path) -> list[str]:
    """A monitor that has seen the log as it is now, with the key from elsewhere."""
    installation.scan("seen")
    (tmp_path / "log.key").write_text(installation.key.verifier.encode())
    monitor = ["monitor", installation.log, "--key", str(tmp_path / "log.key")]
    monitor += ["--state", str(tmp_path / "state.json")]
    assert read(*monitor)["finding"] == "first seen"
    return monitor


def edited(leaf: bytes) -> bytes:
    return canonical_json({**json.loads(leaf), "action": "nothing.done"})


def test_a_log_that_grows_is_fine(installation, seen):
    assert read(*seen)["finding"] == "unchanged"
    installation.scan("more")

    found = read(*seen)
    assert (found["finding"], found["alarm"], found["evidence"]) == ("grown", False, [])
    assert "The log still has" in run(*seen).stdout


def test_a_log_that_was_rewritten_and_signed_again_with_its_key_is_a_fork(
    installation, seen, tmp_path
):
    before = installation.checkpoint()
    (leaf,) = installation.rows("SELECT leaf FROM audit_entries WHERE log_index = 0")[0]
    installation.rewrite(
        "UPDATE audit_entries SET leaf = :leaf, action = 'nothing.done' WHERE log_index = 0",
        leaf=edited(leaf),
    )
    after = installation.checkpoint()
    data = ["--data-dir", str(installation.folder / "data")]
    state = (tmp_path / "state.json").read_bytes()

    found = read(*seen, code=1)
    SignedCheckpoint.parse(after).verify([installation.key.verifier])
    assert (found["finding"], found["alarm"]) == ("fork", True)
    assert [Path(each).read_bytes() for each in found["evidence"]] == [before, after]
    assert (tmp_path / "state.json").read_bytes() == state
    assert all(each in run(*seen, code=1).stdout.replace("\n", "") for each in found["evidence"])
    assert read("fsck", *data)["disagreements"] == [], "the database alone shows nothing"
    assert read(*seen[:-1], str(tmp_path / "new.json"))["finding"] == "first seen", (
        "nobody who looks for the first time can see it"
    )
    installation.scan("after")
    assert read(*seen, code=1)["finding"] == "fork"


def test_a_log_whose_newest_entries_are_removed_is_a_rollback(installation, seen):
    (last,) = installation.rows("SELECT max(log_index) FROM audit_entries")[0]
    installation.rewrite("DELETE FROM audit_entries WHERE log_index = :last", last=last)

    found = read(*seen, code=1)
    assert (found["finding"], len(found["evidence"])) == ("rollback", 2)


def test_an_old_checkpoint_that_is_served_again_is_a_rollback(installation, seen):
    old = installation.checkpoint()
    installation.scan("newer")
    assert read(*seen)["finding"] == "grown"
    newest = installation.checkpoint()
    size = SignedCheckpoint.parse(newest).checkpoint.size
    statement = "UPDATE audit_checkpoints SET note = :note WHERE size = :size"
    installation.sql(statement, note=old, size=size)

    found = read(*seen, code=1)
    installation.sql(statement, note=newest, size=size)
    assert (found["finding"], len(found["evidence"])) == ("rollback", 2)
    assert read(*seen)["finding"] == "unchanged"


def test_tiles_that_were_changed_are_broken(installation, seen):
    installation.scan("one-more")
    (right,) = installation.rows("SELECT hashes FROM audit_tiles WHERE level = 0 AND number = 0")[0]
    tampered = bytes(32) + right[32:]
    statement = "UPDATE audit_tiles SET hashes = :hashes WHERE level = 0 AND number = 0"
    installation.sql(statement, hashes=tampered)
    found = read(*seen, code=1)
    installation.sql(statement, hashes=right)

    assert found["finding"] == "broken"
    assert read(*seen)["finding"] == "grown"


def resigned(installation: Installation, key: SigningKey) -> None:
    """Sign the newest checkpoint by another key instead."""
    newest = SignedCheckpoint.parse(installation.checkpoint())
    installation.sql(
        "UPDATE audit_checkpoints SET note = :note WHERE size = :size",
        note=Note(newest.note.text).signed(key).encode(),
        size=newest.checkpoint.size,
    )


def test_another_key_is_foreign_until_a_hand_over_names_it(installation, seen, tmp_path):
    old, new = installation.key, signing_key("next", installation.key.name)
    size = SignedCheckpoint.parse(installation.checkpoint()).checkpoint.size
    installation.scan("rotated")
    resigned(installation, new)
    (tmp_path / "handover").write_bytes(hand_over(old, new, size=size).encode())

    foreign = read(*seen, code=1)
    rotated = read(*seen, "--handover", str(tmp_path / "handover"))
    resigned(installation, old)
    replaced = read(*seen, "--handover", str(tmp_path / "handover"), code=1)

    assert (foreign["finding"], rotated["finding"]) == ("foreign", "grown")
    assert rotated["key"] == new.verifier.encode()
    assert replaced["finding"] == "foreign"
    assert "was replaced at size" in replaced["detail"]


def test_what_cannot_be_checked_is_neither_fine_nor_an_alarm(installation, seen, tmp_path):
    (tmp_path / "damaged.json").write_text("{}")
    for command, words in (
        (["monitor", "http://127.0.0.1:9/log"], "cannot be read"),
        (["monitor", f"{installation.server.url}/nothing"], "has no 'key'"),
        (["monitor", str(tmp_path / "nowhere")], "has no 'key'"),
        (["monitor", "ftp://host/log"], "starts with http"),
        ([*seen[:-1], str(tmp_path / "damaged.json")], "state of the monitor"),
        (["monitor", installation.log, "--key", str(tmp_path / "missing")], "missing"),
        (["monitor", installation.log, "--handover", seen[3]], "malformed"),
    ):
        state = [] if "--state" in command else ["--state", str(tmp_path / "other.json")]
        told = " ".join(run(*command, *state, code=3).output.split())
        assert words in told, told
        assert not (tmp_path / "other.json").exists()
    assert (tmp_path / "damaged.json").read_text() == "{}"


def test_a_log_that_is_not_public_needs_a_key(tmp_path, monkeypatch):
    with running(tmp_path, AGENTGUARD_API_KEY="open-sesame") as server:
        scan, key = f"{server.url}/api/scan", {"Authorization": "Bearer open-sesame"}
        httpx.post(scan, json=shop(), headers=key, timeout=60).raise_for_status()
        Installation(server, tmp_path).wait_for_sequencing()
        monitor = ("monitor", f"{server.url}/log", "--state", str(tmp_path / "state.json"))
        (tmp_path / "api.key").write_text("open-sesame\n")

        refused = run(*monitor, code=3).output
        assert "give its API key" in " ".join(refused.split())
        first = read(*monitor, "--api-key-file", str(tmp_path / "api.key"))
        monkeypatch.setenv("AGENTGUARD_MONITOR_API_KEY", "open-sesame")
        assert read(*monitor)["finding"] == "unchanged"

    assert (first["finding"], first["trusted_on_first_use"]) == ("first seen", True)
    assert "open-sesame" not in (tmp_path / "state.json").read_text()


def test_watching_ends_at_the_first_alarm(installation, seen, monkeypatch):
    looks = []

    def wait(seconds: float) -> None:
        looks.append(seconds)
        (last,) = installation.rows("SELECT max(log_index) FROM audit_entries")[0]
        installation.rewrite("DELETE FROM audit_entries WHERE log_index = :last", last=last)

    monkeypatch.setattr("agentguard.cli.audit_watching.sleep", wait)
    told = run(*seen, "--interval", "60", code=1).stdout

    assert looks == [60]
    assert told.index("The log still has") < told.index("ALARM: Rollback")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", "data")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "120")
    write_traces(tmp_path / "traces.jsonl")
    scan("one")
    return tmp_path


def scan(dataset: str) -> None:
    command = ["scan", "traces.jsonl", "--dataset", dataset]
    done = CliRunner().invoke(app, command, prog_name="agentguard")
    assert done.exit_code == 0, done.output


def test_a_published_folder_is_watched_without_the_server(home: Path):
    first = read("publish", "published")
    again = read("publish", "published")
    assert read("monitor", "published")["finding"] == "first seen"
    scan("two")
    more = read("publish", "published")

    assert read("monitor", "published")["finding"] == "grown"
    assert again == {"size": first["size"], "files_written": 0}
    assert more["size"] > first["size"]
    names = {str(p.relative_to(home / "published")) for p in (home / "published").rglob("*")}
    assert {"checkpoint", "key", f"tile/0/000.p/{more['size']}"} <= names
    assert not any("entries" in name or name.startswith(".") for name in names)


def test_a_folder_with_another_log_is_not_overwritten(home: Path):
    read("publish", "published")
    scan("two")
    read("publish", "published")
    newest = (home / "published" / "checkpoint").read_bytes()
    shutil.move("data", "gone")
    scan("one")

    assert "does not extend" in " ".join(run("publish", "published", code=1).output.split())
    assert (home / "published" / "checkpoint").read_bytes() == newest


def test_a_log_with_changed_tiles_is_not_published(home: Path):
    with closing(sqlite3.connect(home / "data" / "agentguard.db")) as base:
        base.execute("UPDATE audit_tiles SET hashes = zeroblob(length(hashes))")
        base.commit()

    assert "agentguard audit fsck" in " ".join(run("publish", "published", code=1).output.split())
    assert not (home / "published" / "checkpoint").exists()


def cosigned(note: bytes, seconds: int) -> bytes:
    return Note.parse(note).signed(WITNESS, time_seconds=seconds).encode()


def test_a_witness_cosigns_the_checkpoint(home: Path, monkeypatch: pytest.MonkeyPatch):
    read("publish", "published")
    note = (home / "published" / "checkpoint").read_bytes()
    (home / "cosigned").write_bytes(cosigned(note, 1_700_000_000))
    (home / "witness.key").write_text(WITNESS.verifier.encode())
    (home / "log.key").write_text(run("keys").stdout)

    assert "AGENTGUARD_AUDIT_WITNESSES" in run("cosign", "cosigned", code=1).output
    monkeypatch.setenv("AGENTGUARD_AUDIT_WITNESSES", WITNESS.verifier.encode())
    run("cosign", "cosigned")
    lines = cosigned(note, 1_700_000_060).decode().split("\n")[-2]
    (home / "lines").write_text(f"{lines}\n")
    assert "has 2 signatures" in run("cosign", "lines").output

    signatures = read("proof", "0")["checkpoint"]["signatures"]
    assert [(s["kind"], s["outcome"]) for s in signatures] == [
        ("log", "verified"),
        ("witness", "verified"),
    ]
    assert signatures[1]["time"] == "2023-11-14T22:14:20.000000000Z"
    assert WITNESS.name in run("proof", "0").stdout
    run("export", "0", "--output", "entry.proof")
    known = ("verify", "entry.proof", "--key", "log.key")
    named = {c["check"]: c for c in read(*known)["checks"]}["witnesses"]
    assert (named["outcome"], WITNESS.name in named["detail"]) == ("not checkable", True)
    found = {c["check"]: c["outcome"] for c in read(*known, "--witness", "witness.key")["checks"]}
    assert found["witnesses"] == "verified"
    read("publish", "published")
    assert SignedCheckpoint.parse((home / "published" / "checkpoint").read_bytes()).note.verify(
        [WITNESS.verifier]
    )
    assert read("monitor", "published")["finding"] == "first seen"
    scan("two")
    assert read("publish", "published")["size"] > 0, "the log goes on after a cosignature"


def test_other_signatures_are_not_accepted(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AGENTGUARD_AUDIT_WITNESSES", WITNESS.verifier.encode())
    read("publish", "published")
    note = (home / "published" / "checkpoint").read_bytes()
    whole = cosigned(note, 1_700_000_000).decode()
    stranger = signing_key("x", "other.example/w", WITNESS.type)
    wrong_root = SignedCheckpoint.parse(note).note.text.replace("\n", "\n1", 1)
    for content, words in (
        (note, "no signature is by"),
        (Note.parse(note).signed(stranger, time_seconds=1).encode(), "no signature is by"),
        (whole.replace(whole.split("\n")[-2][-8:], "AAAAAAA="), "does not hold"),
        (Note(wrong_root).signed(WITNESS, time_seconds=1).encode(), "no checkpoint of size"),
        (b"nonsense", "malformed"),
    ):
        (home / "file").write_bytes(content.encode() if isinstance(content, str) else content)
        told = " ".join(run("cosign", "file", code=1).output.split())
        assert words in told, told
    assert len(read("proof", "0")["checkpoint"]["signatures"]) == 1


def test_an_old_checkpoint_and_a_proof_vouch_for_a_newer_file(home: Path):
    read("publish", "published")
    shutil.copy("published/checkpoint", "old.checkpoint")
    size = SignedCheckpoint.parse((home / "old.checkpoint").read_bytes()).checkpoint.size
    scan("two")
    run("export", "0", "--output", "entry.proof")
    (home / "proof").write_text(run("consistency", str(size)).stdout)
    verify = ("verify", "entry.proof", "--checkpoint", "old.checkpoint")

    assert read(*verify, code=3)["outcome"] == "not checkable"
    assert read(*verify, "--consistency", "proof")["outcome"] == "verified"
    (home / "proof").write_text(run("consistency", "1").stdout)
    assert read(*verify, "--consistency", "proof", code=1)["outcome"] == "failed"
    run("export", "0", "--size", str(size), "--output", "same.proof")
    same = ("verify", "same.proof", "--checkpoint", "old.checkpoint")
    assert read(*same)["outcome"] == "verified"


def test_the_wrong_kind_of_witness_is_refused_at_start(home: Path, monkeypatch):
    for key, words in (
        (signing_key("x").verifier.encode(), "not that of a witness"),
        ("nonsense", "AGENTGUARD_AUDIT_WITNESSES is invalid"),
    ):
        monkeypatch.setenv("AGENTGUARD_AUDIT_WITNESSES", key)
        assert words in " ".join(run("log", code=1).output.split())
