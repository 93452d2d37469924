"""`agentguard datasets` and `agentguard purge`."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from agentguard.cli.main import app
from tests.jobs.uploads import spans

DATA = "--data-dir"


def run(*arguments: str, given: str = ""):
    return CliRunner().invoke(app, list(arguments), input=given)


def test_datasets_are_listed_deleted_and_purged(tmp_path: Path):
    traces, data = tmp_path / "traces.json", str(tmp_path / "data")
    traces.write_bytes(spans())
    for name in ("one", "two"):
        assert run("scan", str(traces), "--dataset", name, DATA, data).exit_code == 0

    listed = json.loads(run("datasets", "list", DATA, data, "--format", "json").stdout)
    deleted = run("datasets", "delete", "one", DATA, data)
    unknown = run("datasets", "delete", "one", DATA, data)
    live = run("datasets", "delete", "live", DATA, data)
    refused = run("purge", "--before", "0s", DATA, data, given="n\n")
    left = json.loads(run("datasets", "list", DATA, data, "--format", "json").stdout)
    purged = run("purge", "--before", "0s", "--yes", DATA, data, "--format", "json")

    assert [each["name"] for each in listed["datasets"]] == ["two", "one"]
    assert all(each["versions"] == 1 and each["bytes"] > 0 for each in listed["datasets"])
    assert "Deleted dataset one with 1 graph version" in deleted.stdout
    assert unknown.exit_code == live.exit_code == refused.exit_code == 1
    assert "purge --before" in live.stderr
    assert [each["name"] for each in left["datasets"]] == ["two"]
    assert json.loads(purged.stdout)["deleted"]["graph_versions"] == 1
