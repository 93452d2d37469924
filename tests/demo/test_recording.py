from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentguard.catalog.reading import read_catalog
from demo.recording import document
from demo.runner import SYSTEMS

pytestmark = pytest.mark.xdist_group("demo_recording")

DEMO = Path(__file__).parents[2] / "demo"
RECORDING = files("agentguard.demo_recording")
TRUTH: dict[str, Any] = yaml.safe_load((DEMO / "truth.yaml").read_text())


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return gzip.decompress(RECORDING.joinpath("traces.jsonl.gz").read_bytes()).decode().splitlines()


def spans(lines: list[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        for resource in json.loads(line)["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                yield from scope["spans"]


def test_the_recording_is_small_and_whole(lines: list[str]) -> None:
    ids = {(span["traceId"], span["spanId"]) for span in spans(lines)}

    assert len(RECORDING.joinpath("traces.jsonl.gz").read_bytes()) < 2_000_000
    assert len(ids) == TRUTH["spans"]
    assert all(
        re.fullmatch("[0-9a-f]{32}", trace) and re.fullmatch("[0-9a-f]{16}", span)
        for trace, span in ids
    )
    assert all(
        span.get("parentSpanId") in {None, *(id_ for _, id_ in ids)} for span in spans(lines)
    )


def test_the_recording_names_no_path_of_the_machine_it_was_made_on(lines: list[str]) -> None:
    paths = re.compile(
        r"/(root|home|usr|tmp|work|Users|opt|var)/|[A-Z]:\\\\|site-packages|\.py\b|Traceback"
    )

    assert [found[0] for line in lines for found in paths.finditer(line)] == []


def test_the_recording_only_speaks_of_loopback(lines: list[str]) -> None:
    hosts = {
        found
        for span in spans(lines)
        for found in re.findall(r"https?://([^/:\"]+)", json.dumps(span))
    }

    assert hosts == {"127.0.0.1"}


def test_the_recording_holds_no_content_of_prompts(lines: list[str]) -> None:
    keys = {attribute["key"] for span in spans(lines) for attribute in span.get("attributes", ())}

    assert not {key for key in keys if "message" in key or "prompt" in key or "arguments" in key}


def test_the_catalogue_leaves_out_exactly_one_agent() -> None:
    catalog = read_catalog((DEMO / "catalog.yaml").read_text(), origin="demo/catalog.yaml")
    declared = {entry.name for entry in catalog.entries if entry.declares == "agent"}

    assert {agent for system in SYSTEMS.values() for agent in system.agents} - declared == {
        "DiscountBot"
    }
    assert declared < {agent["name"] for agent in TRUTH["agents"]}
    assert {entry.name for entry in catalog.entries if entry.declares == "workflow"} == {
        flow["name"] for flow in TRUTH["workflows"]
    }


def test_the_package_ships_the_catalogue_of_the_demo() -> None:
    assert RECORDING.joinpath("catalog.yaml").read_text() == (DEMO / "catalog.yaml").read_text()


def test_ids_are_written_in_hex_as_otlp_json_asks() -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = bytes(range(16)), bytes(range(8))

    written = document(request)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]

    assert written == {"traceId": "000102030405060708090a0b0c0d0e0f", "spanId": "0001020304050607"}
