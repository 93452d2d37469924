"""Every command answers programs in JSON."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import yaml

COMMAND = [sys.executable, "-m", "agentguard.cli"]
PLAIN = [
    {
        "traceId": "abc123",
        "spans": [
            {"spanId": "span1", "serviceName": "PricingAgent", "attributes": {"type": "llm"}}
        ],
    }
]


def test_a_first_catalogue_as_json_says_what_the_yaml_says(tmp_path: Path) -> None:
    (tmp_path / "plain.json").write_text(json.dumps(PLAIN))
    subprocess.run(
        [*COMMAND, "scan", "plain.json", "--data-dir", "data"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    init = [*COMMAND, "catalog", "init", "--data-dir", "data"]

    as_json = subprocess.run(
        [*init, "--format", "json"], cwd=tmp_path, check=True, capture_output=True
    ).stdout
    as_yaml = subprocess.run(init, cwd=tmp_path, check=True, capture_output=True).stdout

    assert json.loads(as_json) == yaml.safe_load(as_yaml)
    assert [agent["name"] for agent in json.loads(as_json)["agents"]] == ["PricingAgent"]


def test_serve_tells_programs_its_addresses_once_it_listens(tmp_path: Path) -> None:
    command = [*COMMAND, "serve", "--port", "0", "--data-dir", str(tmp_path), "--format", "json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            text += server.stdout.readline()
        os.kill(server.pid, signal.SIGTERM)

    told = json.loads(text)
    assert told["pid"] == server.pid
    assert told["urls"][0].startswith("http://127.0.0.1:")
