"""Records the demo systems for the package."""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from demo.processes import keep_to_this_machine
from demo.receiver import receiving
from demo.runner import SYSTEMS, Order, perform
from demo.summary import truth_text

_DEMO = Path(__file__).parent
_PACKAGE = _DEMO.parent / "src" / "agentguard" / "demo_recording"
_USERS = 2  # few requests at a time, so that durations are less about a busy machine
_IDS = ("traceId", "spanId", "parentSpanId")
_TRUTH_HEADER = (
    "# Written by demo/record.py from the systems' own counters, which owe nothing to the telemetry"
    " beside it.\n"
)


def main() -> int:
    """Record from the command line."""
    parser = argparse.ArgumentParser(prog="demo/record.py", description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--out", type=Path, default=_PACKAGE, help="folder for the recording and its catalogue"
    )
    parser.add_argument(
        "--truth", type=Path, default=_DEMO / "truth.yaml", help="file for what the systems counted"
    )
    arguments = parser.parse_args()
    keep_to_this_machine()
    with receiving() as received:
        order = Order(
            tuple(SYSTEMS.values()),
            received.url,
            arguments.seed,
            None,
            patience_seconds=60,
            users=_USERS,
        )
        counted = perform(order, lambda message: print(message, file=sys.stderr))
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "traces.jsonl.gz").write_bytes(packed(received.requests))
    shutil.copyfile(_DEMO / "catalog.yaml", arguments.out / "catalog.yaml")
    arguments.truth.write_text(
        _TRUTH_HEADER + truth_text(counted, arguments.seed), encoding="utf-8"
    )
    return 0


def packed(requests: Iterable[ExportTraceServiceRequest]) -> bytes:
    """Return the requests as gzipped OTLP JSON lines, as the Collector's file exporter does."""
    lines = (
        json.dumps(document(request), ensure_ascii=False, separators=(",", ":")) + "\n"
        for request in requests
        if request.resource_spans
    )
    return gzip.compress("".join(lines).encode(), compresslevel=9, mtime=0)


def document(request: ExportTraceServiceRequest) -> dict[str, Any]:
    """Return the request as OTLP/JSON: ids in hex, where protobuf's own JSON has base64."""
    return {
        key: _hex_ids(value)
        for key, value in MessageToDict(request, use_integers_for_enums=True).items()
    }


def _hex_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_hex_ids(item) for item in value]
    if isinstance(value, dict):
        return {
            key: base64.b64decode(item).hex() if key in _IDS else _hex_ids(item)
            for key, item in value.items()
        }
    return value
