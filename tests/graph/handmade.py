"""A small shop as a graph, written by hand.

Checkout depends on pricing, payment (with a fallback) and a model.
"""

from __future__ import annotations

from typing import Any

from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.model import (
    Basis,
    Component,
    Coverage,
    Dependency,
    Evidence,
    EvidenceReason,
    Fallback,
    Graph,
    Workflow,
)

START = 1_700_000_000_000_000_001
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
BASIS = Basis(rule="invoke_agent", convention="otel-genai", confidence=0.75)
EVIDENCE = (Evidence(TRACE, SPAN, START, EvidenceReason.FAILED),)


def component(kind: ComponentKind, name: str, **more: Any) -> Component:
    fields: dict[str, Any] = {
        "id": f"{kind}:{name}",
        "kind": kind,
        "name": name,
        "basis": BASIS,
        "evidence": EVIDENCE,
    }
    return Component(**fields | more)


def depends(source: Component, target: Component, kind: DependencyType, **more: Any) -> Dependency:
    fields: dict[str, Any] = {
        "calls": 10,
        "latency": ((1100, 9), (1104, 1)),
        "first_seen": START,
        "last_seen": START,
    }
    return Dependency(source.id, target.id, kind, BASIS, EVIDENCE, **fields | more)


CHECKOUT = component(
    ComponentKind.AGENT,
    "Checkout",
    invocations=10,
    errors=2,
    duration=50_000_000,
    timed=10,
    first_seen=START,
    last_seen=START,
)
PRICING = component(ComponentKind.AGENT, "Pricing", invocations=10, duration=10_000_000, timed=10)
FRAUD = component(ComponentKind.AGENT, "Fraud", invocations=4, errors=4)
MODEL = component(
    ComponentKind.MODEL,
    "gpt-4o-mini",
    invocations=10,
    providers=("openai",),
    input_tokens=1200,
    output_tokens=90,
    latency=((1100, 9), (1104, 1)),
)
PAYMENT = component(ComponentKind.TOOL, "charge_card", invocations=10, errors=3)
INVOICE = component(ComponentKind.TOOL, "send_invoice", invocations=3)


def shop() -> Graph:
    return Graph(
        components=(CHECKOUT, FRAUD, PRICING, MODEL, PAYMENT, INVOICE),
        dependencies=(
            depends(CHECKOUT, PRICING, DependencyType.DELEGATES),
            depends(
                CHECKOUT, PAYMENT, DependencyType.USES_TOOL, errors=3, absorbed=1, propagated=2
            ),
            depends(CHECKOUT, INVOICE, DependencyType.USES_TOOL, calls=3),
            depends(CHECKOUT, FRAUD, DependencyType.HANDOFF, calls=4, errors=4),
            depends(
                PRICING, MODEL, DependencyType.CALLS_MODEL, input_tokens=1200, output_tokens=90
            ),
        ),
        fallbacks=(Fallback(CHECKOUT.id, PAYMENT.id, INVOICE.id, 3, 1, EVIDENCE),),
        workflows=(
            Workflow(
                "workflow:checkout",
                "checkout",
                CHECKOUT.id,
                CHECKOUT.id,
                10,
                2,
                START,
                START,
                EVIDENCE,
                root="POST /checkout",
            ),
        ),
        coverage=Coverage(
            spans_read=60,
            spans=55,
            traces=10,
            duplicates=5,
            attributed={"otel-genai": 40},
            refused={"not-json": 1},
        ),
    )
