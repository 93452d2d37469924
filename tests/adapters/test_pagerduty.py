"""PagerDuty's Events API v2, as a loopback server that speaks it sees us."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler

import orjson
import pytest

from agentguard.adapters.http.pagerduty import PagerDuty
from agentguard.incidents import changes
from agentguard.incidents.messages import MessageKind
from agentguard.incidents.states import State
from agentguard.notifications.model import Accepted, Failed
from agentguard.notifications.service import test_message as message_of_test
from agentguard.simulation.severities import Severity
from tests.incidents.examples import ID, OTHER, START, incident
from tests.notifications.examples import ACTOR, moved, opened, poster, raised, told
from tests.notifications.servers import Server, serving, status

pytestmark = pytest.mark.anyio

KEY = "R0UTINGKEY0123456789ABCDEFGHIJKL"


class Alerts:
    """What PagerDuty would show: the alerts, and what it says of events that are wrong."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.server: Server

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        event = self.server.requests[-1].document
        faults = _faults(event)
        if not faults:
            self._apply(event)
        body = {"status": "success"} if not faults else {"status": "invalid", "errors": faults}
        status(400 if faults else 202, orjson.dumps(body))(handler)

    def _apply(self, event) -> None:
        key, action = event["dedup_key"], event["event_action"]
        known = self.states.get(key) in ("triggered", "acknowledged")
        if action == "trigger" and not known:
            self.states[key] = "triggered"
        elif action != "trigger" and known:
            self.states[key] = "acknowledged" if action == "acknowledge" else "resolved"


def _faults(event) -> list[str]:
    """Return what the API refuses (PagerDuty, "Send an alert event")."""
    faults = []
    if event.get("routing_key") != KEY:
        faults.append("routing_key")
    if event.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        faults.append("event_action")
    if not 1 <= len(event.get("dedup_key", "")) <= 255:
        faults.append("dedup_key")
    if event.get("event_action") == "trigger":
        payload = event.get("payload", {})
        if not 1 <= len(payload.get("summary", "")) <= 1024:
            faults.append("summary")
        if not payload.get("source"):
            faults.append("source")
        if payload.get("severity") not in ("critical", "error", "warning", "info"):
            faults.append("severity")
    return faults


@pytest.fixture
def alerts():
    found = Alerts()
    with serving(found) as server:
        found.server = server
        yield found


def receiver(alerts: Alerts, key: str = KEY) -> PagerDuty:
    return PagerDuty(poster(), alerts.server.url, key, "https://agentguard.example.com")


async def test_one_alert_follows_an_incident_through_its_states(alerts):
    seen = []
    mitigated = changes.move(incident(), State.MITIGATED, now=START, by=ACTOR)
    assert mitigated is not None
    for message in (
        opened(),
        opened(),
        moved(State.ACKNOWLEDGED),
        raised(),
        moved(State.RESOLVED, mitigated.incident),
    ):
        assert await receiver(alerts).send(message) == Accepted()
        seen.append(alerts.states[ID])

    assert seen == ["triggered", "triggered", "acknowledged", "acknowledged", "resolved"]
    assert list(alerts.states) == [ID]


async def test_a_reopened_incident_triggers_again_and_a_duplicate_is_resolved(alerts):
    resolved = changes.move(incident(), State.RESOLVED, now=START, by=ACTOR)
    assert resolved is not None
    reopened = moved(State.OPEN, resolved.incident)
    duplicate, _ = changes.merge(incident(OTHER), incident(), now=START)
    for message in (opened(), told(resolved), reopened, opened(OTHER), told(duplicate)):
        assert await receiver(alerts).send(message) == Accepted()

    assert alerts.states == {ID: "triggered", OTHER: "resolved"}


@pytest.mark.parametrize(
    ("severity", "word"),
    [("CRITICAL", "critical"), ("HIGH", "error"), ("MEDIUM", "warning"), ("LOW", "info")],
)
async def test_severities_are_mapped(alerts, severity, word):
    await receiver(alerts).send(opened(severity=Severity(severity)))
    event = alerts.server.requests[0].document

    assert event["payload"]["severity"] == word
    assert event["payload"]["source"] == "PaymentAgent"
    assert event["links"][0]["href"].endswith(f"/incidents?id={ID}")
    assert event["payload"]["custom_details"]["components_affected"] == 1


async def test_the_alert_of_a_test_is_resolved_at_once(alerts):
    outcome = await receiver(alerts).send(message_of_test("test-1", "os-user:a", 10**18))

    assert outcome == Accepted()
    assert alerts.states == {"test-1": "resolved"}


async def test_a_wrong_key_is_final_and_not_told(alerts):
    wrong = receiver(alerts, "WRONG-KEY")
    outcome = await wrong.send(opened())

    assert outcome == Failed("status 400", permanent=True)
    assert "WRONG-KEY" not in repr(wrong) + repr(outcome)


def test_a_review_wakes_nobody(alerts):
    assert MessageKind.REVIEWED not in receiver(alerts).kinds
