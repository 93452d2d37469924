"""The JSON document of calls between two services whose context is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from agentguard.graph.model import BrokenCall, BrokenHop, Evidence
from agentguard.kernel.clock import milliseconds

Document: TypeAlias = dict[str, Any]
ShowEvidence: TypeAlias = Callable[[Evidence], Document]


def broken_hop_document(hop: BrokenHop, evidence: ShowEvidence) -> Document:
    """Return the document; `evidence` makes the one of a span."""
    return {
        "kind": hop.kind.value,
        "caller": hop.caller,
        "callee": hop.callee,
        "protocol": hop.protocol or None,
        "operations": list(hop.operations),
        "agents": list(hop.agents),
        "lost_calls": hop.lost,
        "intact_calls": hop.intact,
        "inferred_calls": hop.inferred,
        "agreed": list(hop.agreed),
        "clock_offset_ms": milliseconds(hop.clock_offset) if hop.clock_offset else None,
        "cause": hop.cause,
        "repair": hop.repair,
        "confidence": hop.confidence,
        "calls": [_call_document(call, evidence) for call in hop.calls],
    }


def _call_document(call: BrokenCall, evidence: ShowEvidence) -> Document:
    return {
        "caller": None if call.caller is None else evidence(call.caller),
        "callee": evidence(call.callee),
        "inferred": call.inferred,
    }
