"""A request gives one and the same span table, as protobuf and as OTLP/JSON."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentguard.ingest.decoding import decode, document_of
from agentguard.ingest.payloads import DocumentPayload, Payload, ProtobufPayload
from benchmarks.generate import Order, bodies, lines
from tests.ingest.test_fuzz_decoding import REQUESTS, SEEDS, WANTED


def rows_of(payload: Payload) -> list[dict[str, Any]]:
    """The table's rows, the JSON columns parsed."""
    rows = decode([payload], WANTED).spans.to_pylist()
    return [
        row | {key: orjson.loads(row[key]) for key in ("attributes", "resource")} for row in rows
    ]


def check(body: bytes) -> None:
    document = document_of(ExportTraceServiceRequest.FromString(body))
    assert rows_of(ProtobufPayload("", body)) == rows_of(DocumentPayload("", document))


@pytest.mark.parametrize("body", [seed for seed in SEEDS if len(seed) != 30_000], ids=len)
def test_recorded_and_generated_requests(body) -> None:
    check(body)


def test_generated_protobuf_and_json() -> None:
    order = Order(1000, 4, scattered=True)

    for body, line in zip(bodies(order), lines(order), strict=True):
        assert rows_of(ProtobufPayload("", body)) == rows_of(
            DocumentPayload("", orjson.loads(line))
        )


@given(groups=REQUESTS)
@settings(max_examples=100)
def test_any_request_with_different_keys(groups) -> None:
    """A key given twice is left out: OTLP says that keys are unique."""
    for pairs in _pairs(groups):
        pairs[:] = {pair["key"]: pair for pair in pairs}.values()
    check(ExportTraceServiceRequest(resource_spans=groups).SerializeToString())


def _pairs(value: Any) -> list[list[dict[str, Any]]]:
    if isinstance(value, list):
        return [found for item in value for found in _pairs(item)]
    if not isinstance(value, dict):
        return []
    own = [value["attributes"]] if "attributes" in value else []
    return own + [found for item in value.values() for found in _pairs(item)]
