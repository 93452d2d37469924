"""Deliveries and span tables for tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import orjson
import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentguard.ingest.attribute_selection import AttributeSelection
from agentguard.traces.store import Delivery, Encoding, SpanBatch
from agentguard.traces.validation import make_decoder, validate

HOUR = 3600 * 10**9
START = 1_767_225_600 * 10**9  # 2026-01-01
NOTHING_WANTED = AttributeSelection(
    frozenset(), {}, frozenset(), frozenset(), frozenset(), frozenset(), frozenset()
)


def request(
    ids: Iterable[int], *, trace: int = 1, start: int = START, service: str = "shop"
) -> ExportTraceServiceRequest:
    wanted = ExportTraceServiceRequest()
    group = wanted.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = service
    scoped = group.scope_spans.add()
    for n in ids:
        scoped.spans.add(
            trace_id=trace.to_bytes(16, "big"),
            span_id=n.to_bytes(8, "big"),
            name=f"step {n % 7}",
            kind=1,
            start_time_unix_nano=start,
            end_time_unix_nano=start + 1_000_000,
        )
    return wanted


def protobuf(ids: Iterable[int], **how) -> Delivery:
    return Delivery(request(ids, **how).SerializeToString(), Encoding.PROTOBUF)


def json(ids: Iterable[int], *, trace: int = 1, start: int = START) -> Delivery:
    spans = [
        {
            "traceId": f"{trace:032x}",
            "spanId": f"{n:016x}",
            "name": "step",
            "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(start),
        }
        for n in ids
    ]
    return Delivery(
        orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}), Encoding.JSON
    )


def batch(*deliveries: Delivery) -> SpanBatch:
    return SpanBatch(deliveries, validate(make_decoder(NOTHING_WANTED), deliveries).spans)


def counts(tables: Iterable[pa.Table]) -> Counter[int]:
    """Return how often each span id is there."""
    return Counter(
        int.from_bytes(own, "big") for table in tables for own in table["span_id"].to_pylist()
    )
