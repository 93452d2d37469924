"""Wrong settings end every command at its start, with all that is wrong in one message and none of
the values.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agentguard.cli.main import app

SECRET = "zq9-open-sesame"
WRONG = {
    "API_PORT": SECRET,
    "AGENTGUARD_WINDOW_HOURS": "-1",
    "DATABASE_URL": f"mysql://a:{SECRET}@db/x",
    "NEO4J_URI": f"bolt://neo4j:{SECRET}@graphs",
    "SENTRY_DSN": f"https://{SECRET}@sentry.example/",
    "CELERY_RESULT_BACKEND": f"redis://:{SECRET}@results/1",
    "REDIS_URL": f"redis://:{SECRET}@cache/1",
    "REDIS_DB": "2",
    "POSTGRES_PASSWORD": SECRET,
    "AGENTGUARD_POSTGRES_PASSWORD": f"another-{SECRET}",
    "NEO4J_PASSWORD_FILE": "nowhere",
}
NAMED = (
    "API_PORT",
    "WINDOW_HOURS",
    "DATABASE_URL",
    "NEO4J_URI",
    "SENTRY_DSN",
    "CELERY_BROKER_URL",
    "REDIS_DB",
    "POSTGRES_PASSWORD",
    "NEO4J_PASSWORD_FILE",
)
COMMANDS = (
    ("serve",),
    ("scan", "traces.json"),
    ("graph",),
    ("analyze",),
    ("simulate", "agent"),
    ("playbook", "agent"),
    ("migrate",),
    ("jobs",),
    ("worker",),
    ("doctor",),
    ("demo",),
    ("demo", "--load"),
    ("catalog", "init"),
    ("catalog", "check"),
)


@pytest.fixture(autouse=True)
def _wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "traces.json").write_text("[]")
    for name, value in WRONG.items():
        monkeypatch.setenv(name, value)


def agentguard(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), prog_name="agentguard")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_tells_all_faults_at_once_and_does_nothing(command, tmp_path):
    done = agentguard(*command)

    assert done.exit_code == 1
    assert [name for name in NAMED if name not in done.stderr] == []
    assert SECRET not in done.output + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["traces.json"]


def test_with_json_they_are_a_problem_document_too():
    done = agentguard("graph", "--format", "json")

    problem = json.loads(done.stdout)
    assert problem["code"] == "bad-settings"
    assert [name for name in NAMED if name not in problem["detail"]] == []
    assert SECRET not in done.stdout
