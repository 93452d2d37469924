"""OTLP/gRPC with the official exporter of Node."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from scripts.services.process import free_port
from tests.clients.test_typescript import run
from tests.web.process import running
from tests.web.test_otlp_grpc_exporters import KEY, metric

SCRIPT = Path(__file__).parent / "otlp_grpc"

pytestmark = pytest.mark.xdist_group("npm")


@pytest.fixture(scope="module")
def exporter(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("node") / "otlp_grpc"
    shutil.copytree(SCRIPT, folder)
    installed = run(folder, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    if installed.returncode:
        reason = f"npm cannot install the exporter: {installed.stderr[-500:]}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return folder


def export(folder: Path, url: str, key: str, compression: str) -> list[dict[str, Any]]:
    ended = run(folder, "node", "export.mjs", url, key, compression)
    assert ended.returncode == 0, ended.stderr
    results: list[dict[str, Any]] = json.loads(ended.stdout.splitlines()[-1])
    return results


def test_the_exporter_of_node_is_served(tmp_path: Path, exporter: Path):
    port = free_port()
    url, headers = f"http://127.0.0.1:{port}", {"authorization": f"Bearer {KEY}"}
    with running(tmp_path, AGENTGUARD_API_KEY=KEY, AGENTGUARD_OTLP_GRPC_PORT=str(port)) as server:
        for compression in ("none", "gzip"):
            assert export(exporter, url, KEY, compression) == [{"code": 0}]
        (refused,) = export(exporter, url, "wrong", "none")

        assert refused["code"] == 1
        assert "UNAUTHENTICATED" in refused["error"]
        assert metric(server, "agentguard_spans_received_total", headers=headers) == 2


def test_the_lock_file_names_no_registry():
    assert '"resolved"' not in (SCRIPT / "package-lock.json").read_text()
