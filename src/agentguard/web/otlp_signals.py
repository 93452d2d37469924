"""Logs and metrics over OTLP: counted, not stored."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import orjson
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from agentguard.traces.errors import UnusableDeliveryError
from agentguard.traces.store import Delivery, Encoding


class Signal(StrEnum):
    """A signal of OTLP other than traces."""

    LOGS = "logs"
    METRICS = "metrics"


def count_records(delivery: Delivery, signal: Signal) -> int:
    """Return the number of log records or metrics.

    Raise UnusableDeliveryError if the body is no such request. CPU-bound.
    """
    return (
        _count_json(delivery.body, signal)
        if delivery.encoding is Encoding.JSON
        else _count_protobuf(delivery.body, signal)
    )


def _count_protobuf(body: bytes, signal: Signal) -> int:
    try:
        if signal is Signal.LOGS:
            logs = ExportLogsServiceRequest.FromString(body)
            return sum(
                len(scoped.log_records)
                for group in logs.resource_logs
                for scoped in group.scope_logs
            )
        metrics = ExportMetricsServiceRequest.FromString(body)
        return sum(
            len(scoped.metrics)
            for group in metrics.resource_metrics
            for scoped in group.scope_metrics
        )
    except DecodeError as error:
        raise UnusableDeliveryError(
            "bad-protobuf", f"The body is not an OTLP {signal.value} request in protobuf."
        ) from error


def _count_json(body: bytes, signal: Signal) -> int:
    groups, scopes, records = ("resourceLogs", "scopeLogs", "logRecords")
    if signal is Signal.METRICS:
        groups, scopes, records = ("resourceMetrics", "scopeMetrics", "metrics")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UnusableDeliveryError("not-json", f"The body is not JSON: {error}.") from error
    if not isinstance(document, dict) or not isinstance(document.get(groups, []), list):
        raise UnusableDeliveryError(
            "not-otlp-json",
            f'The body is not an OTLP {signal.value} request: expected {{"{groups}": [...]}}.',
        )
    return sum(
        1
        for group in _items(document, groups)
        for scoped in _items(group, scopes)
        for _ in _items(scoped, records)
    )


def _items(parent: Any, key: str) -> Iterator[Any]:
    value = parent.get(key) if isinstance(parent, dict) else None
    yield from value if isinstance(value, list) else ()
