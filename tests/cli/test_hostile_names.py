"""No command writes a control or invisible character of a name to the terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import typer
import yaml

from agentguard.cli.main import app, run
from agentguard.graph.export.sanitizing import hidden
from tests.cli.traces import trace

HOSTILE = "\x1b[31m\x1b]0;owned\x07\u202eexe.gpj\u2066\u200b\x9b2J\r\x08"
HOSTILE_JSON = json.dumps(HOSTILE)[1:-1]
FAILING = f"Payment{HOSTILE}Agent"
COMMANDS: dict[str, list[list[str]]] = {
    "demo": [["demo", HOSTILE]],
    "serve": [["serve", "--host", HOSTILE]],
    "worker": [["worker", "--concurrency", HOSTILE]],
    "scan": [
        ["scan", "traces.jsonl", "--dataset", "shop", "--format", "json"],
        ["scan", "traces.jsonl", "--dataset", "other"],
        ["scan", f"{HOSTILE}.json"],
        ["--debug", "scan", f"missing{HOSTILE}"],
        ["scan", f"--{HOSTILE}"],
        ["scan", "traces.jsonl", "--dataset", HOSTILE],
        ["scan", "traces.jsonl", "--background"],
    ],
    "graph": [
        *(["graph", "--format", name] for name in ("table", "json", "dot", "mermaid")),
        *(["graph", "--format", name] for name in ("graphml", "cypher")),
        ["graph", "--full"],
        ["graph", "--kind", HOSTILE],
        ["graph", "--dataset", HOSTILE],
    ],
    "component": [["component", FAILING], ["component", HOSTILE]],
    "analyze": [["analyze", "--full"], ["analyze", "--owner", HOSTILE]],
    "dialects": [
        ["dialects", "list"],
        ["dialects", "explain", f"{1:032x}", "--path", "traces.jsonl"],
        ["dialects", "explain", HOSTILE, "--path", "traces.jsonl"],
        ["dialects", "suggest", "traces.jsonl"],
        ["dialects", "suggest", "spans.jsonl"],
        ["dialects", "check", f"{HOSTILE}.yaml"],
        ["dialects", "check", f"missing{HOSTILE}"],
        ["dialects", HOSTILE],
    ],
    "handover": [["handover", HOSTILE], ["handover", HOSTILE, "--format", "html"]],
    "evidence": [["evidence", f"component:{FAILING}"], ["evidence", HOSTILE]],
    "trace": [["trace", f"{1:032x}"], ["trace", f"{1:032x}", "--full"], ["trace", HOSTILE]],
    "diff": [["diff", "shop", "other"], ["diff", "shop", HOSTILE]],
    "simulate": [["simulate", FAILING, "--full"], ["simulate", HOSTILE]],
    "simulations": [["simulations"], ["simulations", "show", HOSTILE]],
    "incidents": [
        ["incidents", "open", HOSTILE, "--severity", "LOW", "--component", HOSTILE],
        ["incidents", "open", "x", "--severity", "LOW", "--component", FAILING],
        ["incidents", "list", "--component", HOSTILE],
        ["incidents", "list"],
        ["incidents", "show", HOSTILE],
        ["incidents", "note", HOSTILE, HOSTILE],
        ["incidents", "assign", HOSTILE, HOSTILE],
        ["incidents", "post-mortem", HOSTILE],
    ],
    "notifications": [
        ["notifications", "list", "--incident", HOSTILE],
        ["notifications", "list", "--before", HOSTILE],
        ["notifications", "test"],
    ],
    "keys": [["keys", "list"], ["keys", "create", HOSTILE], ["keys", "revoke", HOSTILE]],
    "users": [["users", "list"], ["users", "role", HOSTILE, HOSTILE], ["users", "remove", HOSTILE]],
    "playbook": [["playbook", FAILING, "--full"], ["playbook", HOSTILE]],
    "catalog": [
        ["catalog", "init"],
        ["catalog", "init", "--output", "catalog.yaml"],
        ["catalog", "init", "--output", f"missing/{HOSTILE}"],
        ["catalog", "import", f"{HOSTILE}.yaml"],
        ["catalog", "import", f"{HOSTILE}.json"],
        ["catalog", "check", "--catalog", f"{HOSTILE}.yaml"],
        ["catalog", "check", "--catalog", f"{HOSTILE}.yaml", "--full", "--fail-on", "drift"],
        ["catalog", HOSTILE],
    ],
    "datasets": [["datasets", "list"], ["datasets", "delete", HOSTILE]],
    "jobs": [["jobs", "list"], ["jobs", "show", HOSTILE]],
    "purge": [["purge", "--before", HOSTILE], ["purge", "--before", "1s"]],
    "migrate": [["migrate"], ["migrate", "--to-file", HOSTILE]],
    "doctor": [["doctor"]],
    "audit": [
        ["audit"],
        ["audit", "--object", HOSTILE],
        ["audit", "show", "0"],
        ["audit", "show", HOSTILE],
        ["audit", "export", "0"],
        ["audit", "export", "0", "--output", f"missing/{HOSTILE}"],
        ["audit", "export", "0", "--output", "entry.proof"],
        ["audit", "verify", "entry.proof"],
        ["audit", "verify", HOSTILE],
        ["audit", "verify", "traces.jsonl", "--key", f"{HOSTILE}.yaml"],
        ["audit", "fsck"],
        ["audit", "keys"],
        ["audit", HOSTILE],
    ],
    "traces": [["traces", "fsck"], ["traces", "fsck", "--repair"], ["traces", HOSTILE]],
}


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with traces, a catalog and files in which every name is hostile."""
    lines = [json.dumps(trace(number)) for number in range(8)]
    text = "\n".join(lines)
    for name in ("Checkout", "Payment", "charge", "gpt", "shop"):
        text = text.replace(name, name + HOSTILE_JSON)
    (tmp_path / "traces.jsonl").write_text(text)
    unknown = (
        text.replace("gen_ai", "x_ai").replace("shop", HOSTILE_JSON).replace("chat ", HOSTILE_JSON)
    )
    (tmp_path / "spans.jsonl").write_text(unknown)
    (tmp_path / f"{HOSTILE}.json").write_text("{}")
    stored = tmp_path / "data" / "spans"
    stored.mkdir(parents=True)
    (stored / f"{HOSTILE}.parquet").write_text("no Parquet file")
    entry = {"name": FAILING, "owner": HOSTILE, "models": [HOSTILE], "criticality": "high"}
    (tmp_path / f"{HOSTILE}.yaml").write_text(yaml.safe_dump({"agents": [entry]}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("AGENTGUARD_OTLP_PORT", "0")
    monkeypatch.setenv("AGENTGUARD_OTLP_GRPC_PORT", "0")
    monkeypatch.setenv("API_PORT", "0")
    return tmp_path


def test_every_command_is_tried():
    assert COMMANDS.keys() == typer.main.get_group(app).commands.keys()


def test_no_command_acts_on_the_terminal(hostile: Path, monkeypatch, capfd):
    codes = {}
    for command in [each for tried in COMMANDS.values() for each in tried]:
        monkeypatch.setattr(sys, "argv", ["agentguard", *command])
        with pytest.raises(SystemExit) as ended:
            run()
        out, err = capfd.readouterr()
        codes[" ".join(command)] = ended.value.code

        assert [c for c in out + err if hidden(c) and c != "\n"] == [], command

    assert not [c for c in (hostile / "catalog.yaml").read_text() if hidden(c) and c != "\n"]
    for done in ("graph --format dot", "analyze --full", "catalog init", "diff shop other"):
        assert codes[done] == 0, done


def test_a_drafted_catalog_declares_the_names_as_they_are(hostile: Path, monkeypatch, capfd):
    for command in (["scan", "traces.jsonl"], ["catalog", "init"]):
        monkeypatch.setattr(sys, "argv", ["agentguard", *command])
        with pytest.raises(SystemExit):
            run()
        out, _ = capfd.readouterr()

    assert FAILING in {agent["name"] for agent in yaml.safe_load(out)["agents"]}
    assert r"\u202e" in out.lower()
