"""Data that is written without a server stays within the limits too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agentguard.cli.main import app
from agentguard.graph.storage import retention

TRACE = [
    {"traceId": "abc", "spans": [{"spanId": "1", "serviceName": "PricingAgent", "attributes": {}}]}
]


def test_scans_without_a_server_keep_the_number_of_datasets_that_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("AGENTGUARD_DATASETS_KEPT", "2")
    monkeypatch.setattr(retention, "GRACE", 0)
    (tmp_path / "trace.json").write_text(json.dumps(TRACE))
    for name in ("one", "two", "three", "four"):
        CliRunner().invoke(app, ["scan", "trace.json", "--dataset", name])

    listed = CliRunner().invoke(app, ["datasets", "list", "--format", "json"])

    names = [dataset["name"] for dataset in json.loads(listed.stdout)["datasets"]]
    assert names == ["four", "three"]
