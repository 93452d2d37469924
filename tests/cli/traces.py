"""A few traces in OTLP/JSON lines: Checkout calls Payment, which calls a tool that fails in every
fourth run, and a model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RUNS = 8
SPANS = RUNS * 4
_START = 1_700_000_000_000_000_000


def write_traces(path: Path, *, runs: int = RUNS) -> Path:
    path.write_text("".join(json.dumps(trace(number)) + "\n" for number in range(runs)))
    return path


def trace(number: int) -> dict[str, Any]:
    failed = number % 4 == 0
    trace_id = f"{number + 1:032x}"
    spans = [
        _span(
            trace_id,
            1,
            0,
            "invoke_agent CheckoutAgent",
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "CheckoutAgent"},
            failed,
        ),
        _span(
            trace_id,
            2,
            1,
            "invoke_agent PaymentAgent",
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "PaymentAgent"},
            failed,
        ),
        _span(
            trace_id,
            3,
            2,
            "chat gpt-4o",
            {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"},
            False,
        ),
        _span(
            trace_id,
            4,
            2,
            "execute_tool charge_card",
            {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "charge_card"},
            failed,
        ),
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    return {
        "resourceSpans": [
            {"resource": resource, "scopeSpans": [{"scope": {"name": "test"}, "spans": spans}]}
        ]
    }


def _span(
    trace_id: str, number: int, parent: int, name: str, attributes: dict[str, str], failed: bool
) -> dict[str, Any]:
    start = _START + number * 1_000_000
    return {
        "traceId": trace_id,
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 50_000_000 // number),
        "attributes": [
            {"key": key, "value": {"stringValue": value}} for key, value in attributes.items()
        ],
        "status": {"code": 2, "message": "declined"} if failed else {},
    }
