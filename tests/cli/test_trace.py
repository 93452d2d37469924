"""`agentguard trace`, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agentguard.cli.main import app
from tests.cli.traces import write_traces


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "120")
    write_traces(tmp_path / "traces.jsonl")
    assert run("scan", "traces.jsonl").exit_code == 0
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_the_first_line_says_what_failed_where() -> None:
    first, *rest = run("trace", f"{1:032x}").stdout.splitlines()

    assert first == (
        "charge_card failed first, called by PaymentAgent; CheckoutAgent, the entry, failed too."
    )
    assert any("Failing path, from the top to the first cause: 3 spans" in line for line in rest)
    assert any(line.startswith("    charge_card") for line in rest)


def test_a_trace_without_failures_says_so() -> None:
    first, *rest = run("trace", f"{2:032x}").stdout.splitlines()

    assert first == "No span of this trace failed. It starts with CheckoutAgent."
    assert not any("Failing path" in line for line in rest)


def test_json_is_the_documents_own() -> None:
    found = json.loads(run("trace", f"{1:032x}", "--format", "json").stdout)

    assert found["first_cause"]["component"]["id"] == "tool:shop/charge_card"


def test_an_unknown_trace_fails_with_its_reason() -> None:
    result = run("trace", "nope")

    assert result.exit_code == 1
    assert "The trace 'nope' is not stored" in result.stderr
