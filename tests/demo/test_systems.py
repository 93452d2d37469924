from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from demo.receiver import Received, receiving

RUN = Path(__file__).parents[2] / "demo" / "run.py"
PATIENCE_SECONDS = 180


def run(otlp: str, folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the demo as a person would, from another folder."""
    command = [sys.executable, str(RUN), "--otlp", otlp, *arguments]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


def shape(received: Received) -> Counter[tuple[str, str, int]]:
    """Spans by service, name and status."""
    return Counter(
        (attribute.value.string_value, span.name, span.status.code)
        for request in received.requests
        for resource in request.resource_spans
        for attribute in resource.resource.attributes
        if attribute.key == "service.name"
        for scope in resource.scope_spans
        for span in scope.spans
    )


def one_run(folder: Path, *arguments: str) -> tuple[dict[str, Any], dict[str, Any], Counter[tuple[str, str, int]]]:
    with receiving() as received:
        result = run(received.url, folder, "--truth", str(folder / "truth.yaml"), *arguments)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout), yaml.safe_load((folder / "truth.yaml").read_text()), shape(received)


def test_a_key_reaches_the_receiver_in_the_exporters_headers(tmp_path: Path) -> None:
    with receiving() as received:
        result = run(
            received.url, tmp_path, "--system", "content", "--runs", "1", OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20secret"
        )

    assert result.returncode == 0, result.stderr
    assert {headers.get("authorization") for headers in received.headers} == {"Bearer secret"}


def test_without_a_receiver_nothing_is_started_and_the_message_says_so(tmp_path: Path) -> None:
    with receiving() as received:
        nobody_listens_here = received.url

    result = run(nobody_listens_here, tmp_path)

    assert result.returncode == 1
    assert result.stdout == ""
    assert "No OTLP receiver" in result.stderr
    assert "Starting" not in result.stderr


def test_a_receiver_elsewhere_is_refused(tmp_path: Path) -> None:
    result = run("http://collector.example:4318", tmp_path)

    assert result.returncode == 2
    assert "not on this machine" in result.stderr


def test_one_seed_makes_the_same_runs_calls_errors_and_spans_every_time(tmp_path: Path) -> None:
    arguments = ("--system", "all", "--seed", "11", "--runs", "8")

    first, second = (one_run(tmp_path, *arguments) for _ in range(2))

    assert first == second
    summary, truth, spans = first
    assert summary["runs"] == 8 + 4 + 8 + 2
    assert summary["spans_sent"] == spans.total() == truth["spans"]
    assert summary["tool_errors"] > 0
    assert summary["model_calls"] == sum(count for (_, name, _), count in spans.items() if name.startswith("chat "))
    assert summary["agent_runs"] == sum(count for (_, name, _), count in spans.items() if name.startswith("invoke_agent "))
