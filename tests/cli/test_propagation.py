"""Lost trace context on the command line: one line, with --full each hop."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from agentguard.cli.main import app
from agentguard.ingest.payloads import DocumentPayload
from agentguard.web.schemas.components import BrokenHopDocument, DependencyDocument
from tests.graph.cutting import calls_of, cut

NAME = "fastapi-distributed"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A recording that loses context at every call between services."""
    payloads = cut(NAME, calls_of(NAME))
    lines = [orjson.dumps(p.document) for p in payloads if isinstance(p, DocumentPayload)]
    written = tmp_path / "traces.jsonl"
    written.write_bytes(b"\n".join(lines))
    return written


def scanned(path: Path, *options: str, **settings: str) -> Result:
    arguments = ["scan", str(path), "--no-store", *options]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"} | settings)


def test_the_table_has_one_line_about_lost_context(path: Path) -> None:
    shown = " ".join(scanned(path).stdout.split())

    assert shown.count("Broken propagation") == 1
    assert "41 calls on 4 hops between services lost the trace context" in shown
    assert "joined as inferred. --full shows causes and repairs. Coverage" in shown
    assert "Repair" not in shown


def test_full_shows_each_hop_with_cause_and_repair(path: Path) -> None:
    shown = scanned(path, "--full").stdout

    assert "Broken propagation: 4 findings" in shown
    for caller, callee in {call.hop for call in calls_of(NAME)}:
        assert f"{caller} → {callee}" in shown
    assert shown.count("Cause") == shown.count("Repair") == 4


def test_the_document_has_the_findings_and_fits_its_model(path: Path) -> None:
    document = json.loads(scanned(path, "--format", "json").stdout)

    hops = [BrokenHopDocument.model_validate(hop) for hop in document["broken_propagation"]]
    edges = [DependencyDocument.model_validate(edge) for edge in document["dependencies"]]
    assert sum(hop.lost_calls for hop in hops) == len(calls_of(NAME))
    assert all(len(hop.calls) <= 5 for hop in hops)
    assert sum(edge.inferred_calls for edge in edges) > 0


@pytest.mark.parametrize(
    ("options", "settings"),
    [(("--no-join-traces",), {}), ((), {"AGENTGUARD_JOIN_TRACES": "false"})],
)
def test_an_option_and_a_setting_switch_joining_off(
    path: Path, options: tuple[str, ...], settings: dict[str, str]
) -> None:
    document = json.loads(scanned(path, "--format", "json", *options, **settings).stdout)

    assert sum(hop["lost_calls"] for hop in document["broken_propagation"]) == len(calls_of(NAME))
    assert all(edge["inferred_calls"] == 0 for edge in document["dependencies"])
    assert not any(c["inferred"] for h in document["broken_propagation"] for c in h["calls"])


def test_an_option_takes_precedence_over_the_setting(path: Path) -> None:
    shown = scanned(path, "--format", "json", "--join-traces", AGENTGUARD_JOIN_TRACES="false")

    assert any(edge["inferred_calls"] for edge in json.loads(shown.stdout)["dependencies"])
