"""`agentguard dialects`, from the command line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agentguard.cli.main import app
from tests.cli.traces import trace, write_traces
from tests.discovery.scoped_spans import document, span
from tests.web.serving import live_spans, served, until

TRACE = f"{1:032x}"
RULES = """
id: desk
spans:
  - when: {scope: '^acme', name: '^think'}
    role: agent
    name: [{span: '(.+)'}]
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def read(*arguments: str) -> Any:
    result = run(*arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def unknown_spans(path: Path, without_role: int, known: int = 0) -> Path:
    spans = [span(n, f"think {n}") for n in range(1, without_role + 1)]
    chat: dict[str, Any] = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "gpt-4o"}
    spans += [span(100 + n, "chat gpt-4o", kind="client", **chat) for n in range(known)]
    path.write_text(json.dumps(document("acme.agents", *spans)))
    return path


def test_list_has_the_users_files_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "mine.yaml").write_text(RULES)
    monkeypatch.setenv("AGENTGUARD_DIALECTS", "mine.yaml")

    first, second, *_ = read("dialects", "list")["dialects"]

    assert (first["id"], first["file"], first["built_in"]) == ("desk", "mine.yaml", False)
    assert second["built_in"]
    assert "mine.yaml" in run("dialects", "list").stdout


def test_explain_reads_a_file(home: Path) -> None:
    write_traces(home / "traces.jsonl")

    found = read("dialects", "explain", TRACE, "--path", "traces.jsonl")
    table = run("dialects", "explain", TRACE, "--path", "traces.jsonl").stdout

    assert [s["rule"] for s in found["spans"]][:2] == ["otel-gen-ai#3", "otel-gen-ai#3"]
    assert {s["owner"]["component"]["name"] for s in found["spans"] if s["owner"]} == {
        "CheckoutAgent",
        "PaymentAgent",
    }
    for part in (
        "otel-gen-ai#3",
        "otel-gen-ai in 30-otel-gen-ai.yaml",
        "charge_card",
        "recorded parents",
        "Every span has a role.",
    ):
        assert part in table


def test_explain_reads_the_stored_live_spans(home: Path) -> None:
    async def receive() -> None:
        async with served(home, otlp_port=0) as client:
            await client.post("/v1/traces", json=trace(0))

            async def shown() -> bool:
                return await live_spans(client) == 4

            await until(shown)

    asyncio.run(receive())

    found = read("dialects", "explain", TRACE)
    missing = run("dialects", "explain", "ff" * 16)

    assert found["source"] == "the stored spans"
    assert [s["role"] for s in found["spans"]] == ["agent", "agent", "model", "tool"]
    assert missing.exit_code == 1
    assert "is in the stored spans" in missing.stderr


def test_explain_says_what_was_left(home: Path) -> None:
    unknown_spans(home / "a.json", 3)

    table = run("dialects", "explain", TRACE, "--path", "a.json").stdout

    assert "acme.agents 3" in table
    assert "agentguard dialects suggest PATH" in table


def test_a_draft_is_refused_until_it_is_completed_and_then_used(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown_spans(home / "a.json", 3)
    (home / "mine.yaml").write_text(run("dialects", "suggest", "a.json").stdout)
    refused = run("dialects", "check", "mine.yaml")
    text = (home / "mine.yaml").read_text()
    done = text.replace("role: '?'", "role: agent").replace("name: ['?']", "name: [{span: '(.+)'}]")
    (home / "mine.yaml").write_text(done)
    monkeypatch.setenv("AGENTGUARD_DIALECTS", "mine.yaml")

    assert refused.exit_code == 1
    assert "mine.yaml:" in refused.stdout
    assert "role is still '?'" in refused.stdout
    assert run("dialects", "check", "mine.yaml").exit_code == 0
    scanned = read("scan", "a.json", "--no-store")
    assert scanned["coverage"]["unattributed"] == {}
    assert {c["kind"] for c in scanned["components"]} == {"agent"}


def test_check_names_each_fault_in_json(home: Path) -> None:
    (home / "mine.yaml").write_text("id: mine\nspans:\n  - {when: {scope: a}, role: robot}\n")

    result = run("dialects", "check", "mine.yaml", "--format", "json")

    (fault,) = json.loads(result.stdout)["faults"]
    assert result.exit_code == 1
    assert (fault["file"], fault["line"]) == ("mine.yaml", 3)


@pytest.mark.parametrize("command", ["list", "scan"])
def test_a_fault_in_the_setting_is_an_error_with_file_and_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (home / "mine.yaml").write_text("id: mine\nspans:\n  - {when: {scope: a}, role: robot}\n")
    monkeypatch.setenv("AGENTGUARD_DIALECTS", "mine.yaml")
    unknown_spans(home / "a.json", 3)

    result = run(*(["dialects", "list"] if command == "list" else ["scan", "a.json"]))

    assert result.exit_code == 1
    assert "mine.yaml:3: role must be one of" in result.stderr


def test_suggest_says_if_there_is_nothing_to_do(home: Path) -> None:
    write_traces(home / "traces.jsonl")

    result = run("dialects", "suggest", "traces.jsonl")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing to do" in result.stderr


HINT = "agentguard dialects suggest 'a b.json'"


@pytest.mark.parametrize(("without_role", "known", "told"), [(2, 8, True), (1, 9, False)])
def test_scan_says_what_to_do_if_many_spans_have_no_role(
    home: Path, without_role: int, known: int, told: bool
) -> None:
    unknown_spans(home / "a b.json", without_role, known)

    result = run("scan", "a b.json", "--no-store", "--format", "json")

    lines = [line for line in result.stderr.splitlines() if "no role" in line]
    assert len(lines) == told
    assert not told or (HINT in lines[0] and "acme.agents" in lines[0])
    assert json.loads(result.stdout)["coverage"]["spans"] == 10
