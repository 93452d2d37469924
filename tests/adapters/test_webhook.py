"""The webhook: its signature, and what the statuses of receivers mean."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import orjson
import pytest
from jsonschema import Draft202012Validator
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from agentguard.adapters.http.outcomes import retry_after
from agentguard.adapters.http.targets import Allowed
from agentguard.adapters.http.webhook import Webhook, secrets_in, signature
from agentguard.incidents.states import State
from agentguard.notifications.model import Accepted, Failed
from agentguard.notifications.service import test_message as message_of_test
from tests.notifications.examples import moved, opened, poster, raised
from tests.notifications.servers import Request, serving, status
from tests.web.strict import document

pytestmark = pytest.mark.anyio

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OLD_SECRET = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()


def webhook(url: str, secret: str = SECRET, **more) -> Webhook:
    return Webhook(poster(**more), url, secrets_in(secret), "https://agentguard.example.com/")


def verified(request: Request, secret: str = SECRET):
    return Verifier(secret).verify(request.body, {k.lower(): v for k, v in request.headers.items()})


def test_the_signature_is_that_of_the_standard_s_own_library():
    at = datetime(2026, 12, 1, tzinfo=UTC)
    expected = Verifier(SECRET).sign("msg_1", at, '{"a":1}')

    assert signature(secrets_in(SECRET), "msg_1", int(at.timestamp()), b'{"a":1}') == expected


async def test_a_receiver_verifies_what_it_gets_and_knows_a_repetition():
    with serving() as server:
        sender, message = webhook(server.url), opened()
        outcomes = [await sender.send(message) for _ in range(2)]

    assert outcomes == [Accepted(), Accepted()]
    first, second = server.requests
    assert verified(first) == verified(second) == first.document
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == message.id
    assert "." not in message.id
    with pytest.raises(WebhookVerificationError):
        verified(Request(first.path, first.headers, first.body.replace(b"HIGH", b"LOW")))
    with pytest.raises(WebhookVerificationError):
        verified(first, OLD_SECRET)


async def test_while_a_secret_is_replaced_both_verify():
    with serving() as server:
        await webhook(server.url, f"{SECRET}, {OLD_SECRET}").send(opened())

    assert verified(server.requests[0]) == verified(server.requests[0], OLD_SECRET)


@pytest.mark.parametrize(
    "message",
    [opened(), moved(State.ACKNOWLEDGED), raised(), message_of_test("test-1", "os-user:a", 10**18)],
    ids=lambda message: message.kind.value,
)
async def test_the_body_is_as_the_published_schema_says(message):
    with serving() as server:
        await webhook(server.url).send(message)
    operation = document()["webhooks"]["incident"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    found = server.requests[0].document

    Draft202012Validator({**schema, "components": document()["components"]}).validate(found)
    wanted = {p["name"] for p in operation["parameters"]}
    assert wanted <= {name.lower() for name in server.requests[0].headers}
    assert found["type"] == message.kind.value


async def test_the_body_says_what_happened():
    with serving() as server:
        await webhook(server.url).send(raised())
    found = server.requests[0].document

    assert found["type"] == "incident.severity_raised"
    assert found["data"]["previous_severity"] == "HIGH"
    incident = found["data"]["incident"]
    assert (incident["severity"], incident["state"], incident["version"]) == ("CRITICAL", "open", 2)
    assert incident["components"][0]["name"] == "PaymentAgent"
    assert found["data"]["url"] == f"https://agentguard.example.com/incidents?id={incident['id']}"


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 422, 301, 302, 308])
async def test_a_refusal_is_final(code):
    with serving(status(code, Location="http://127.0.0.1:1/")) as server:
        outcome = await webhook(server.url).send(opened())

    assert isinstance(outcome, Failed)
    assert outcome.permanent
    assert outcome.reason.startswith(f"status {code}")


@pytest.mark.parametrize("code", [408, 409, 425, 429, 500, 502, 503, 504])
async def test_a_failure_that_may_pass_is_not_final(code):
    with serving(status(code, Retry_After="120")) as server:
        outcome = await webhook(server.url).send(opened())

    assert outcome == Failed(f"status {code}", retry_after_seconds=120)


async def test_what_cannot_be_reached_may_be_later_and_is_named_by_host_only():
    with serving() as server:
        url = server.url
    refused = await webhook(url, allowed=Allowed()).send(opened())
    silent = await webhook(url).send(opened())

    for outcome in (refused, silent):
        assert isinstance(outcome, Failed)
        assert not outcome.permanent
        assert "127.0.0.1" in outcome.reason
        assert "SECRET" not in outcome.reason
    assert "SECRET" not in repr(webhook(url))
    assert SECRET not in repr(webhook(url))
    assert webhook(url).host == f"127.0.0.1:{server.port}"


def test_retry_after_is_seconds_or_a_date():
    now = datetime(2026, 12, 1, 4, tzinfo=UTC)
    later = format_datetime(now + timedelta(seconds=90), usegmt=True)

    assert retry_after("7", now=now.timestamp()) == 7
    assert retry_after(later, now=now.timestamp()) == 90
    assert retry_after(format_datetime(now - timedelta(1), usegmt=True), now=now.timestamp()) == 0
    for nonsense in (None, "", "soon", "-5", "1e9", "٣"):
        assert retry_after(nonsense, now=now.timestamp()) is None
    assert retry_after("9" * 400, now=0) == 366 * 24 * 3600


@pytest.mark.parametrize("secret", ["whsec_short", "whsec_" + "A" * 400, "whsec_!!", "no base64?"])
def test_a_secret_of_another_form_is_refused_without_repeating_it(secret):
    with pytest.raises(ValueError, match="secret") as refused:
        secrets_in(secret)

    assert secret not in str(refused.value)


def test_bodies_are_json():
    assert orjson.loads(orjson.dumps(opened().payload())) == opened().payload()
