"""A small system of agents as OTLP, for the API's tests."""

from __future__ import annotations

from typing import Any

START = 1_767_225_600 * 10**9
MS = 1_000_000


def span(
    trace: int,
    own: int,
    parent: int,
    service: str,
    name: str,
    start: int,
    *,
    failed: bool = False,
    **attributes: str,
) -> dict[str, Any]:
    return {
        "service": service,
        "span": {
            "traceId": f"{trace:032x}",
            "spanId": f"{trace:08x}{own:08x}",
            "parentSpanId": f"{trace:08x}{parent:08x}" if parent else "",
            "name": name,
            "kind": 1,
            "startTimeUnixNano": str(START + trace * 1000 * MS + start * MS),
            "endTimeUnixNano": str(START + trace * 1000 * MS + (start + 10) * MS),
            "status": {"code": 2 if failed else 1},
            "attributes": [
                {"key": key.replace("__", "."), "value": {"stringValue": value}}
                for key, value in attributes.items()
            ],
        },
    }


def agent(trace: int, own: int, parent: int, name: str, start: int, **how: Any) -> dict[str, Any]:
    return span(
        trace,
        own,
        parent,
        name.lower(),
        f"invoke_agent {name}",
        start,
        gen_ai__operation__name="invoke_agent",
        gen_ai__agent__name=name,
        **how,
    )


def tool(
    trace: int, own: int, parent: int, service: str, name: str, start: int, **how: Any
) -> dict[str, Any]:
    return span(
        trace,
        own,
        parent,
        service,
        f"execute_tool {name}",
        start,
        gen_ai__operation__name="execute_tool",
        gen_ai__tool__name=name,
        **how,
    )


def payments(first: int, number: int, *, failed: bool) -> dict[str, Any]:
    """So many runs of PaymentAgent, each a trace with one call of a tool, which fails or not."""
    spans = []
    for trace in range(first, first + number):
        spans += [
            agent(trace, 1, 0, "PaymentAgent", 0),
            tool(trace, 2, 1, "paymentagent", "charge_card", 1, failed=failed),
        ]
    return document(spans)


def document(spans: list[dict[str, Any]]) -> dict[str, Any]:
    services = sorted({each["service"] for each in spans})
    return {
        "resourceSpans": [
            {
                "resource": {
                    "attributes": [{"key": "service.name", "value": {"stringValue": service}}]
                },
                "scopeSpans": [
                    {
                        "scope": {"name": "test"},
                        "spans": [each["span"] for each in spans if each["service"] == service],
                    }
                ],
            }
            for service in services
        ]
    }


def shop(runs: int = 4) -> dict[str, Any]:
    """Checkout depends on payment, payment on fraud and on a tool."""
    spans = []
    for trace in range(1, runs + 1):
        spans += [
            agent(trace, 1, 0, "CheckoutAgent", 0),
            agent(trace, 2, 1, "PaymentAgent", 1),
            agent(trace, 3, 2, "FraudAgent", 2),
            tool(trace, 4, 2, "paymentagent", "charge_card", 4),
        ]
    return document(spans)
