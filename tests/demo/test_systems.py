from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentguard.discovery.dialects.loading import load_dialects
from agentguard.ingest.payloads import ProtobufPayload
from agentguard.scan.pipeline import scan
from demo.receiver import Received, receiving
from tests.demo.scoring import counted_in, found_in

pytestmark = pytest.mark.xdist_group("demo_systems")

RUN = Path(__file__).parents[2] / "demo" / "run.py"
PATIENCE_SECONDS = 180


def run(
    otlp: str, folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the demo as a person would, from another folder."""
    command = [sys.executable, str(RUN), "--otlp", otlp, *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: what it printed, what it counted, what arrived."""

    summary: dict[str, Any]
    truth: dict[str, Any]
    received: Received


def one_run(folder: Path) -> Outcome:
    with receiving() as received:
        result = run(
            received.url,
            folder,
            "--system",
            "all",
            "--seed",
            "11",
            "--runs",
            "8",
            "--truth",
            str(folder / "truth.yaml"),
        )
    assert result.returncode == 0, result.stderr
    return Outcome(
        json.loads(result.stdout), yaml.safe_load((folder / "truth.yaml").read_text()), received
    )


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return one_run(tmp_path_factory.mktemp("demo"))


def test_a_key_reaches_the_receiver_in_the_exporters_headers(tmp_path: Path) -> None:
    with receiving() as received:
        result = run(
            received.url,
            tmp_path,
            "--system",
            "content",
            "--runs",
            "1",
            OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20secret",
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
    assert "is not a loopback URL" in result.stderr


def test_one_seed_makes_the_same_runs_calls_errors_and_spans_every_time(
    outcome: Outcome, tmp_path: Path
) -> None:
    again = one_run(tmp_path)

    assert again.summary == outcome.summary
    assert again.truth == outcome.truth
    assert shape(again.received) == shape(outcome.received)


def test_what_the_systems_count_is_what_they_send(outcome: Outcome) -> None:
    spans, summary = shape(outcome.received), outcome.summary

    assert summary["runs"] == 8 + 4 + 8 + 2
    assert summary["tool_errors"] > 0
    assert summary["spans_sent"] == outcome.truth["spans"] == spans.total()
    assert summary["model_calls"] == sum(
        count for (_, name, _), count in spans.items() if name.startswith("chat ")
    )
    assert summary["agent_runs"] == sum(
        count for (_, name, _), count in spans.items() if name.startswith("invoke_agent ")
    )


def test_agentguard_finds_what_they_counted_with_another_seed_too(outcome: Outcome) -> None:
    payloads = [
        ProtobufPayload("live", request.SerializeToString())
        for request in outcome.received.requests
    ]

    assert found_in(scan(payloads, load_dialects()).graph) == counted_in(outcome.truth)
