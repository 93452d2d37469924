"""Which past incidents tell how long recovery takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agentguard.incidents import changes
from agentguard.incidents.model import Incident
from agentguard.incidents.recoveries import Recovery, recovery_of
from agentguard.incidents.states import State
from agentguard.kernel.clock import NS_PER_SECOND
from tests.incidents.examples import ID, START, incident

FAILED = ("agent:PaymentAgent",)
PLAYBOOK: dict[str, Any] = {"condition": "outage", "incident": {"failed_components": list(FAILED)}}


def past(*states: State, playbook: dict[str, Any] | None = PLAYBOOK) -> Incident:
    """Return an incident that entered each state a minute after the one before."""
    found = replace(incident(), playbook=playbook)
    for number, state in enumerate(states, 1):
        at = START + number * 60 * NS_PER_SECOND
        change = changes.move(found, state, now=at, by="user:anna")
        assert change is not None
        found = change.incident
    return found


def test_a_recovery_lasts_from_the_opening_to_the_resolution():
    resolved = past(State.ACKNOWLEDGED, State.RESOLVED, State.REVIEWED)

    assert recovery_of(resolved, FAILED, "outage") == Recovery(ID, 120.0)


def test_of_a_reopened_incident_the_last_resolution_counts():
    again = past(State.RESOLVED, State.OPEN, State.RESOLVED)

    assert recovery_of(again, FAILED, "outage") == Recovery(ID, 180.0)
    assert recovery_of(past(State.RESOLVED, State.OPEN), FAILED, "outage") is None


def test_another_failure_tells_nothing():
    resolved = past(State.RESOLVED)

    assert recovery_of(resolved, FAILED, "rate_limit") is None
    assert recovery_of(resolved, (*FAILED, "model:gpt"), "outage") is None
    assert recovery_of(past(State.RESOLVED, playbook=None), FAILED, "outage") is None
    assert recovery_of(past(State.MITIGATED), FAILED, "outage") is None
    assert recovery_of(replace(resolved, merged_into="x"), FAILED, "outage") is None
