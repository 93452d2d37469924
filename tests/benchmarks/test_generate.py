"""The generated spans are what the measurements say they are."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentguard.ingest.payloads import DocumentPayload, ProtobufPayload
from agentguard.ingest.sources import read_paths
from benchmarks.fleet import SPANS_PER_RUN
from benchmarks.generate import Layout, Order, bodies, lines, write


def spans_of(body: bytes):
    request = ExportTraceServiceRequest.FromString(body)
    return [
        span
        for group in request.resource_spans
        for scoped in group.scope_spans
        for span in scoped.spans
    ]


@given(spans=st.integers(0, 3000), seed=st.integers(0, 100), scattered=st.booleans())
@settings(max_examples=10)
def test_there_are_exactly_as_many_spans_as_asked_for_all_different_and_the_same_each_time(
    spans, seed, scattered
) -> None:
    order = Order(spans, seed, scattered)
    found = [span for body in bodies(order) for span in spans_of(body)]

    assert len({(span.trace_id, span.span_id) for span in found}) == len(found) == spans
    assert list(bodies(order)) == list(bodies(order))


def test_scattered_and_ordered_hold_the_same_spans() -> None:
    whole = 200 * SPANS_PER_RUN
    ordered, scattered = (
        [span for body in bodies(Order(whole, 1, way)) for span in spans_of(body)]
        for way in (False, True)
    )

    assert sorted(span.SerializeToString() for span in ordered) == sorted(
        span.SerializeToString() for span in scattered
    )
    first = [n for n, span in enumerate(scattered) if span.trace_id == scattered[0].trace_id]
    assert first[-1] - first[0] > 0.9 * whole


def test_every_parent_is_there_and_encloses_its_child() -> None:
    found = {
        (s.trace_id, s.span_id): s
        for body in bodies(Order(50 * SPANS_PER_RUN, 3, scattered=False))
        for s in spans_of(body)
    }
    children = [s for s in found.values() if s.parent_span_id]

    assert len(found) - len(children) == 50
    for child in children:
        parent = found[child.trace_id, child.parent_span_id]
        assert (
            parent.start_time_unix_nano
            <= child.start_time_unix_nano
            <= child.end_time_unix_nano
            <= parent.end_time_unix_nano
        )


def test_spans_have_the_size_that_the_kernel_was_measured_with() -> None:
    order = Order(50_000, 1, scattered=False)
    sizes = [len(body) for body in bodies(order)]
    attributes = [
        len(span.attributes)
        for body in bodies(Order(5_000, 1, scattered=False))
        for span in spans_of(body)
    ]

    assert 400 < sum(sizes) / 50_000 < 520
    assert 11.5 < sum(attributes) / len(attributes) < 12.5


def test_protobuf_and_json_say_the_same() -> None:
    order = Order(1500, 5, scattered=True)

    for body, line in zip(bodies(order), lines(order), strict=True):
        assert _comparable(
            MessageToDict(ExportTraceServiceRequest.FromString(body))
        ) == _comparable(json.loads(line))


def _comparable(document) -> list[object]:
    """Spans with sorted attributes, and without their ids' spelling (protobuf's own JSON has them
    in base64).
    """
    kinds = {
        "SPAN_KIND_INTERNAL": 1,
        "SPAN_KIND_SERVER": 2,
        "SPAN_KIND_CLIENT": 3,
        "STATUS_CODE_ERROR": 2,
    }
    return [
        (
            group["resource"],
            scoped["scope"],
            span["name"],
            kinds.get(span["kind"], span["kind"]),
            span["startTimeUnixNano"],
            span["endTimeUnixNano"],
            sorted(span["attributes"], key=lambda a: a["key"]),
            [kinds.get(code, code) for code in span.get("status", {}).values()],
        )
        for group in document["resourceSpans"]
        for scoped in group["scopeSpans"]
        for span in scoped["spans"]
    ]


@pytest.mark.parametrize("layout", list(Layout))
def test_what_is_written_is_read_back(tmp_path, layout) -> None:
    out = tmp_path / "out"
    write(Order(2000, 1, scattered=True), layout, out)
    kinds = Counter(type(item) for item in read_paths([out]))

    assert kinds == {DocumentPayload if layout is Layout.LINES else ProtobufPayload: 4}
