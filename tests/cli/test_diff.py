"""`agentguard diff`: exit codes, formats, references."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_commands import agentguard
from tests.cli.traces import trace


@pytest.fixture(autouse=True)
def _data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shops(tmp_path: Path) -> None:
    """The datasets `before` and `after`: the tool is gone, and an agent of another name calls."""
    documents = [trace(number) for number in range(8)]
    for dataset, renamed in (("before", "PaymentAgent"), ("after", "BillingAgent")):
        file = tmp_path / f"{dataset}.jsonl"
        text = "".join(json.dumps(document) + "\n" for document in documents)
        file.write_text(text.replace("PaymentAgent", renamed))
        done = agentguard("scan", file, "--dataset", dataset)
        assert done.exit_code == 0, done.stderr


def compared(*arguments: str) -> dict[str, Any]:
    return dict(json.loads(agentguard("diff", *arguments, "--format", "json").stdout))


@pytest.mark.usefixtures("shops")
def test_equal_graphs_end_with_0_and_different_ones_with_1() -> None:
    same, different = agentguard("diff", "before", "before"), agentguard("diff", "before", "after")

    assert (same.exit_code, different.exit_code) == (0, 1)
    assert "No changes." in same.stdout
    assert "BillingAgent" in different.stdout


@pytest.mark.usefixtures("shops")
@pytest.mark.parametrize(
    "arguments",
    [
        ("before", "nothing"),
        ("before@-1h..", "after"),
        ("live@-1h..-2h", "after"),
        ("before",),
        ("before", "after", "--format", "xml"),
    ],
)
def test_errors_end_with_2(arguments: tuple[str, ...]) -> None:
    done = agentguard("diff", *arguments)

    assert done.exit_code == 2
    assert done.stderr


@pytest.mark.usefixtures("shops")
def test_json_names_changes_with_their_evidence() -> None:
    document = compared("before", "after")

    assert [c["name"] for c in document["components"]["new"]] == ["BillingAgent"]
    assert [c["name"] for c in document["components"]["gone"]] == ["PaymentAgent"]
    assert document["components"]["new"][0]["evidence"]["b"][0]["trace_id"]
    assert document["a"]["reference"] == "before"


@pytest.mark.usefixtures("shops")
def test_a_version_can_be_compared_with_a_dataset() -> None:
    version = compared("before", "after")["a"]["graph_version"]

    assert compared(version, "before")["same"]


@pytest.mark.usefixtures("shops")
def test_markdown_is_for_a_pull_request() -> None:
    done = agentguard("diff", "before", "after", "--format", "markdown")

    assert done.exit_code == 1
    assert done.stdout.startswith("# Changes between two graphs\n")
    assert "| new | agent BillingAgent |" in done.stdout


@pytest.mark.usefixtures("shops")
def test_a_problem_is_a_document_too() -> None:
    done = agentguard("diff", "before", "nothing", "--format", "json")

    assert json.loads(done.stdout)["code"] == "unknown-graph-reference"
