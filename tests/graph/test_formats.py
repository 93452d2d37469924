"""Graphs of files in foreign formats, against what is known of them."""

from __future__ import annotations

import json
from pathlib import Path

from agentguard.ingest.sources import read_paths
from agentguard.scan.pipeline import scan
from tests.discovery.recordings import dialects

FORMATS = Path(__file__).parents[1] / "data" / "formats"


def test_a_call_between_services_needs_no_span_kind() -> None:
    file = "deathstar_20_traces.json"
    expected = json.loads((FORMATS / "jaeger" / "expected.json").read_text())[file]["edges"]

    found = scan(read_paths([FORMATS / "jaeger" / file]), dialects()).graph

    edges = {(d.source, d.target): (d.calls, d.errors) for d in found.dependencies}
    assert edges == {
        (f"service:{e['parent']}", f"service:{e['child']}"): (e["calls"], e["errors"])
        for e in expected
    }


def test_one_trace_in_two_formats_gives_one_graph() -> None:
    for name in ("one", "multi"):
        jaeger, otlp = (
            scan(
                read_paths([FORMATS / "otlp_jaeger_pairs" / f"{name}.{form}.json"]), dialects()
            ).graph
            for form in ("jaeger", "otlp")
        )

        assert [(c.id, c.invocations, c.errors) for c in jaeger.components] == [
            (c.id, c.invocations, c.errors) for c in otlp.components
        ]
        assert [(d.source, d.target, d.calls) for d in jaeger.dependencies] == [
            (d.source, d.target, d.calls) for d in otlp.dependencies
        ]
