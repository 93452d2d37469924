"""`agentguard incidents`, and the incident filter of `audit`."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agentguard.cli.main import app

TITLE = "支付失败 – Zahlungen"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def agentguard(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), prog_name="agentguard")


def document(*arguments: str) -> dict[str, Any]:
    done = agentguard(*arguments, "--format", "json")
    assert done.exit_code == 0, done.stderr
    return dict(json.loads(done.stdout))


def opened(*more: str) -> str:
    arguments = ("incidents", "open", TITLE, "--severity", "HIGH", "--component", "Zahlung")
    return str(document(*arguments, *more)["id"])


def test_an_incident_is_followed_to_its_review():
    id_ = opened("--note", "since 3:00")
    for command in ("ack", "mitigate", "resolve", "review"):
        shown = document("incidents", command, id_, "--note", f"did {command}")
    events = document("incidents", "timeline", id_)["events"]
    table = agentguard("incidents", "show", id_)
    listed = agentguard("incidents", "list", "--state", "reviewed")

    assert shown["state"] == "reviewed"
    assert [each["note"] for each in events] == [
        "since 3:00",
        "did ack",
        "did mitigate",
        "did resolve",
        "did review",
    ]
    said = " ".join(table.stdout.split())
    assert said.startswith(f"{TITLE}: HIGH, reviewed, opened ")
    assert "JST; nobody owns it." in said
    assert "Resolved: did resolve" in table.stdout
    assert id_ in listed.stdout


def test_a_refused_transition_says_what_is_allowed():
    id_ = opened()
    refused = agentguard("incidents", "review", id_)

    assert refused.exit_code == 1
    assert "acknowledged or mitigated or resolved" in " ".join(refused.stderr.split())


def test_the_post_mortem_and_the_proofs_are_written(tmp_path):
    id_ = opened()
    document("incidents", "note", id_, "The provider is down.")
    assert agentguard("incidents", "post-mortem", id_, "--output", "p.md").exit_code == 0
    log = document("audit", "log", "--incident", id_)
    done = agentguard("audit", "export", "--incident", id_, "--output", "proofs")

    assert "The provider is down" in (tmp_path / "p.md").read_text()
    assert [e["action"] for e in log["entries"]] == ["incident.noted", "incident.opened"]
    assert done.exit_code == 0, done.stderr
    files = sorted(path.name for path in (tmp_path / "proofs").iterdir())
    assert files == sorted(f"entry-{e['index']}.tlog-proof" for e in log["entries"])
    assert agentguard("audit", "verify", f"proofs/{files[0]}").exit_code == 3


def test_an_unknown_incident_is_told():
    opened()

    assert "There is no incident 'x'" in agentguard("incidents", "show", "x").stderr
