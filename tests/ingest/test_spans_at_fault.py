"""Single spans that are wrong: said once with their place, however many there are.

The rest is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from agentguard.ingest.decoding import decode
from agentguard.ingest.payloads import ProtobufPayload
from agentguard.ingest.sources import read_paths
from agentguard.scan.pipeline import scan
from tests.discovery.recordings import dialects

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def body(*spans: Span) -> bytes:
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])]
    ).SerializeToString()


def span(number: int, *, start: int = 0, end: int = 0) -> Span:
    own = number.to_bytes(8, "big")
    return Span(
        trace_id=bytes.fromhex(TRACE),
        span_id=own,
        name="work",
        start_time_unix_nano=start,
        end_time_unix_nano=end,
    )


def file_of(folder: Path, *spans: Mapping[str, object]) -> Path:
    path = folder / "spans.json"
    path.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}))
    return path


def test_a_body_of_spans_without_ids_is_one_refusal_that_counts_them() -> None:
    found = decode([ProtobufPayload("body", body(*[Span()] * 50_000, span(1)))], dialects().wanted)

    assert [(r.origin, r.reason, r.spans) for r in found.refusals] == [
        ("body, span 1", "span-without-ids", 50_000)
    ]
    assert len(found.spans) == 1


def test_a_span_that_ends_before_it_starts_is_kept_without_a_duration_and_said_with_its_place() -> (
    None
):
    good, bad = span(1, start=5, end=9), span(2, start=9, end=5)

    found = decode([ProtobufPayload("body", body(good, bad))], dialects().wanted)

    assert [(r.origin, r.reason, r.spans) for r in found.refusals] == [
        ("body, span 2", "negative-duration", 0)
    ]
    assert found.spans.column("end").to_pylist() == [9, 0]


@pytest.mark.parametrize(
    ("trace", "own"), [("0af7", SPAN), (TRACE, "b7"), (TRACE + "00", SPAN), ("x" * 32, SPAN)]
)
def test_an_otlp_id_of_another_length_is_refused_in_a_file_with_its_place(
    tmp_path: Path, trace: str, own: str
) -> None:
    path = file_of(
        tmp_path,
        {"traceId": trace, "spanId": own, "name": "bad"},
        {"traceId": TRACE, "spanId": SPAN, "name": "good"},
    )

    found = scan(read_paths([path]), dialects())

    assert [(r.origin, r.reason, r.spans) for r in found.refusals] == [
        (f"{path}:1, span 1", "span-without-ids", 1)
    ]
    assert found.graph.coverage.spans == 1


def test_parents_in_a_circle_are_said_and_nothing_is_lost(tmp_path: Path) -> None:
    other = "00f067aa0ba902b7"
    one = {"traceId": TRACE, "spanId": SPAN, "parentSpanId": other, "name": "one"}
    two = {"traceId": TRACE, "spanId": other, "parentSpanId": SPAN, "name": "two"}

    found = scan(read_paths([file_of(tmp_path, one, two)]), dialects())

    assert [(r.reason, r.spans) for r in found.refusals] == [("cyclic-parents", 0)]
    assert found.refusals[0].origin in {
        f"trace {TRACE}, span {SPAN}",
        f"trace {TRACE}, span {other}",
    }
    assert (found.graph.coverage.spans, found.graph.coverage.parent_cycles) == (2, 1)


def test_a_million_faults_of_one_reason_stay_a_short_list(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    line = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "no ids"}]}]}]})
    path.write_text((line + "\n") * 5_000)

    found = scan(read_paths([path]), dialects())

    assert len(found.refusals) < 150
    assert found.graph.coverage.refused == {"span-without-ids": 5_000}


def test_what_has_no_times_has_no_latency_and_no_mean(tmp_path: Path) -> None:
    agent: dict[str, object] = {
        "traceId": TRACE,
        "spanId": SPAN,
        "attributes": _attributes("invoke_agent", "gen_ai.agent.name", "a"),
    }
    tool: dict[str, object] = {"traceId": TRACE, "spanId": "00f067aa0ba902b7", "parentSpanId": SPAN}

    path = file_of(
        tmp_path, agent, tool | {"attributes": _attributes("execute_tool", "gen_ai.tool.name", "t")}
    )
    graph = scan(read_paths([path]), dialects()).graph

    assert [d.latency for d in graph.dependencies] == [()]
    assert [c.timed for c in graph.components] == [0, 0]


def _attributes(operation: str, key: str, value: str) -> list[dict[str, object]]:
    return [
        {"key": k, "value": {"stringValue": v}}
        for k, v in (("gen_ai.operation.name", operation), (key, value))
    ]
