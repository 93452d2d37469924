"""Traces of one service and scope, for tests of rules."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentguard.ingest.payloads import DocumentPayload, ProtobufPayload

START = 1_767_225_600 * 10**9
KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}


def span(
    number: int,
    name: str,
    *,
    parent: int = 0,
    kind: str = "internal",
    trace: int = 1,
    failed: bool = False,
    attributes: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return a span; `__` in `more` stands for a dot, and each starts after the one before."""
    found = dict(attributes or {}) | {key.replace("__", "."): more[key] for key in more}
    start = START + number * 1_000_000
    return {
        "traceId": f"{trace:032x}",
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": name,
        "kind": KINDS[kind],
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 500_000),
        "status": {"code": 2 if failed else 0},
        "attributes": [{"key": key, "value": _value(value)} for key, value in found.items()],
    }


def document(scope: str, *spans: dict[str, Any], service: str = "desk") -> dict[str, Any]:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    scoped = {"scope": {"name": scope}, "spans": list(spans)}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scoped]}]}


def payload(scope: str, *spans: dict[str, Any], service: str = "desk") -> DocumentPayload:
    return DocumentPayload("spans", document(scope, *spans, service=service))


def protobuf_payload(scope: str, *spans: dict[str, Any], service: str = "desk") -> ProtobufPayload:
    ids = ("traceId", "spanId", "parentSpanId")
    encoded = [s | {key: _base64(s[key]) for key in ids} for s in spans]
    written = document(scope, *encoded, service=service)
    body = ParseDict(written, ExportTraceServiceRequest()).SerializeToString()
    return ProtobufPayload("spans", body)


def _base64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}
