"""Incidents for tests."""

from __future__ import annotations

from typing import Any

from agentguard.incidents.model import (
    Affected,
    Change,
    DetectedCondition,
    Event,
    Incident,
    Links,
)
from agentguard.incidents.opening import Beginning, Hit, open_reported
from agentguard.kernel.clock import NS_PER_SECOND
from agentguard.simulation.severities import Severity

ID = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
START = 1_790_000_000 * NS_PER_SECOND
PAYMENT = Affected("agent:PaymentAgent", "PaymentAgent", "agent")
GPT = Affected("model:gpt-4o-mini", "gpt-4o-mini", "model")
CHECKOUT = Affected("workflow:checkout", "checkout", "workflow")


def opening(incident_id: str = ID, *, at: int = START, **more: Any) -> Change:
    """Return the opening of a reported incident."""
    told: dict[str, Any] = {
        "title": "Payments fail",
        "severity": Severity.HIGH,
        "hit": Hit((PAYMENT,), (CHECKOUT,)),
        "links": Links(),
    }
    return open_reported(Beginning(incident_id, at, "user:anna"), **(told | more))


def incident(incident_id: str = ID, **more: Any) -> Incident:
    return opening(incident_id, **more).incident


def event_of(change: Change) -> Event:
    """Return the line of the timeline that a change leaves."""
    found = change.incident
    return Event(
        found.version, found.changed_at, "user:anna", "session", change.kind, change.details
    )


def condition(**more: Any) -> DetectedCondition:
    told: dict[str, Any] = {
        "key": "error-share:agent:PaymentAgent",
        "kind": "error_share",
        "title": "PaymentAgent fails in 31 % of its runs",
        "severity": Severity.HIGH,
        "components": (PAYMENT,),
        "facts": {"runs": 100, "failed": 31},
    }
    return DetectedCondition(**(told | more))


SIMULATED: dict[str, Any] = {
    "answer": "If PaymentAgent fails, checkout loses 31 of 40 runs.",
    "failed_components": [PAYMENT.id],
    "hosted_components": [],
    "impacted_components": [{"id": GPT.id, "name": GPT.name, "kind": "model"}],
    "impacted_workflows": [
        {
            "id": CHECKOUT.id,
            "name": "checkout",
            "runs_seen": 40,
            "runs_lost": 31.0,
            "share_lost": 0.775,
        }
    ],
    "blast_radius": {"runs_seen": 40, "runs_lost": 31.0},
    "blast_radius_score": 6.2,
    "impact_estimate": {"severity": "CRITICAL", "severity_reason": "checkout loses 78 % of runs"},
}
"""What an incident takes from a simulation's document."""

PLAYBOOK: dict[str, Any] = {
    "incident": {"title": "PaymentAgent fails", "failed_components": [PAYMENT.id]},
    "condition": "agent_outage",
    "steps": [
        {"id": "contain-1", "action": "confirm", "title": "Confirm: outage"},
        {"id": "contain-2", "action": "hold", "title": "Route around it"},
    ],
}
"""What is stored of a linked playbook's document in columns of its own."""
