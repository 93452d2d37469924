"""Slack: what its incoming webhook gets, and that no text is more than text there."""

from __future__ import annotations

import re

import pytest

from agentguard.adapters.http.slack import Slack, slack_payload
from agentguard.incidents.model import Affected
from agentguard.incidents.opening import Hit
from agentguard.incidents.states import State
from agentguard.notifications.model import Accepted, Failed
from agentguard.notifications.service import test_message as message_of_test
from tests.notifications.examples import moved, opened, poster, raised
from tests.notifications.servers import serving, status

pytestmark = pytest.mark.anyio

PUBLIC = "https://agentguard.example.com"
HOSTILE = (
    "<!channel> <!here> <@U0123> <#C0123> <https://evil.example|log in> @channel @everyone"
    " https://evil.example &lt;!channel&gt; \u202egnp.exe\n# head"
)
CONTROL = re.compile(r"<[^>]*>")


def texts(payload) -> list[str]:
    found = [payload["text"]]
    for block in payload["blocks"]:
        parts = [*block.get("fields", ()), *([block["text"]] if "text" in block else ())]
        assert all(part["type"] == "mrkdwn" and part["verbatim"] is True for part in parts)
        found += [part["text"] for part in parts]
    return found


async def test_slack_gets_blocks_with_a_link():
    with serving(status(200, b"ok")) as server:
        outcome = await Slack(poster(), server.url, PUBLIC).send(raised())

    assert outcome == Accepted()
    shown = texts(server.requests[0].document)
    assert shown[0] == shown[1] == "Severity raised: Payments fail"
    assert "Severity: CRITICAL (was HIGH)" in shown
    assert "Components: PaymentAgent" in shown
    assert shown[-1].startswith(f"<{PUBLIC}/incidents?id=")
    assert server.requests[0].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("public_url", [PUBLIC, None])
def test_foreign_text_pings_nobody_and_links_nowhere(public_url):
    hit = Hit((Affected(HOSTILE, HOSTILE, "agent"),), (Affected("w", HOSTILE, "workflow"),))
    message = opened(title=HOSTILE, owner=HOSTILE, hit=hit)
    payload = slack_payload(message, public_url)

    shown = texts(payload)
    controls = [found for text in shown for found in CONTROL.findall(text)]
    ours = f"<{PUBLIC}/incidents?id={message.incident}|Open the incident>"
    assert controls == ([ours] if public_url else [])
    assert all("\u202e" not in text and "\n" not in text for text in shown)
    assert "&amp;lt;!channel&amp;gt;" in payload["text"]
    assert "link_names" not in payload
    assert payload["unfurl_links"] is payload["unfurl_media"] is False


@pytest.mark.parametrize("state", [State.ACKNOWLEDGED, State.MITIGATED, State.RESOLVED])
def test_each_state_is_told(state):
    assert texts(slack_payload(moved(state), None))[0] == f"Incident {state}: Payments fail"


def test_a_test_says_that_it_is_one():
    shown = texts(slack_payload(message_of_test("test-1", "os-user:a", 10**18), PUBLIC))

    assert shown[0] == "Test of AgentGuard's notifications"
    assert "Nothing happened." in shown[-1]


async def test_slack_s_own_word_is_the_reason():
    with serving(status(404, b"no_service"), status(500, b"<html>SECRET</html>")) as server:
        slack = Slack(poster(), server.url)
        outcomes = [await slack.send(opened()) for _ in range(2)]

    assert outcomes == [Failed("status 404: no_service", permanent=True), Failed("status 500")]
    assert "SECRET" not in repr(slack)


def test_blocks_stay_within_slack_s_limits():
    many = tuple(Affected(f"agent:{'x' * 900}{n}", "x" * 900 + str(n), "agent") for n in range(600))
    payload = slack_payload(opened(title="&" * 200, owner="&" * 200, hit=Hit(many, many)), PUBLIC)

    assert len(payload["blocks"]) <= 50
    for block in payload["blocks"]:
        assert len(block.get("fields", ())) <= 10
        assert all(len(each["text"]) <= 2000 for each in block.get("fields", ()))
        assert len(block.get("text", {"text": ""})["text"]) <= 3000
    assert any("and 597 more" in text for text in texts(payload))
