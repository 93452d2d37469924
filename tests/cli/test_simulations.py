"""`agentguard simulations`, and `simulate` with `--preview` and `--compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agentguard.cli.main import app
from agentguard.cli.tables.cells import count
from tests.cli.traces import write_traces


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "140")
    agentguard("scan", str(write_traces(tmp_path / "traces.jsonl")), "--dataset", "shop")


def agentguard(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), prog_name="agentguard")


def document(*arguments: str) -> dict[str, Any]:
    done = agentguard(*arguments, "--format", "json")
    assert done.exit_code == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_a_simulation_is_listed_and_repeated_until_its_graph_is_deleted():
    simulated = document("simulate", "PaymentAgent")
    listed, shown = agentguard("simulations"), agentguard("simulations", "show", simulated["id"])
    agentguard("datasets", "delete", "shop", "--include-cited")
    expired = agentguard("simulations", "show", simulated["id"])

    assert simulated["id"] in listed.stdout
    assert "the same result, bit for bit" in shown.stdout
    assert f"Stored as {simulated['id']}" in shown.stdout
    assert "have expired, so the simulation cannot be repeated" in " ".join(expired.stdout.split())


def test_a_preview_is_not_stored():
    previewed = document("simulate", "PaymentAgent", "--preview")
    shown = agentguard("simulate", "PaymentAgent", "--preview")

    assert previewed["id"] is None
    assert "Stored as" not in shown.stdout
    assert document("simulations")["simulations"] == []


def test_two_simulations_are_compared():
    a, b = document("simulate", "PaymentAgent"), document("simulate", "gpt-4o")
    compared = agentguard("simulate", "--compare", a["id"], b["id"])

    assert "failed_components" in compared.stdout
    assert f"Runs lost: {count(a['blast_radius']['runs_lost'])} in a" in compared.stdout


def test_game_days_start_with_what_to_try_first():
    found = document("simulate", "--game-days")
    shown = " ".join(agentguard("simulate", "--game-days").stdout.split())
    first = found["game_days"][0]

    assert shown.startswith("Try first: take ")
    assert f"{found['outages_simulated']} single outages simulated" in shown
    assert first["runs_decided"] == max(day["runs_decided"] for day in found["game_days"])
    assert document("simulations")["simulations"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("simulate", "PaymentAgent", "--game-days"), "no component"),
        (("simulate", "--game-days", "--mode", "errors:0.2"), "mode"),
        (("simulate", "--game-days", "--background"), "--background"),
        (("simulate", "PaymentAgent", "--preview", "--background"), "A job stores its result."),
        (("simulate", "PaymentAgent", "--compare", "a", "b"), "no component"),
        (("component", "PaymentAgent", "--history", "--lookback", "1h"), "no --version"),
    ],
)
def test_options_that_exclude_each_other_are_refused(arguments, said):
    done = agentguard(*arguments)

    assert done.exit_code == 2
    assert said in done.stderr
