"""docs/notifications.md: its example verifies what is sent, and its table is that of the code."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from agentguard.adapters.http.pagerduty import PagerDuty
from agentguard.adapters.http.webhook import Webhook, secrets_in
from agentguard.incidents.messages import MessageKind
from tests.notifications.examples import opened, poster
from tests.notifications.servers import serving

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text()
SECRETS = ["whsec_" + base64.b64encode(bytes([n] * 32)).decode() for n in (1, 2, 3)]


def example() -> Any:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - our own page
    return names["is_authentic"]


async def test_the_example_accepts_what_is_sent_and_nothing_else():
    with serving() as server:
        sender = Webhook(poster(), server.url, secrets_in(",".join(SECRETS[:2])))
        await sender.send(opened())
    (request,) = server.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    is_authentic = example()

    assert [is_authentic(headers, request.body, secret) for secret in SECRETS] == [
        True,
        True,
        False,
    ]
    assert not is_authentic(headers, request.body + b" ", SECRETS[0])
    assert not is_authentic(headers | {"webhook-id": "another"}, request.body, SECRETS[0])
    assert not is_authentic(headers | {"webhook-timestamp": "1"}, request.body, SECRETS[0])


def test_the_table_has_every_kind_of_message():
    rows = dict(re.findall(r"^\| .+ \| `([a-z._]+)` \| yes \| (.*?) ?\|$", PAGE, re.MULTILINE))

    assert rows.keys() == {kind.value for kind in MessageKind}
    told = {MessageKind(kind) for kind, action in rows.items() if action}
    assert told == PagerDuty(poster(), "https://events.example.com/", "key").kinds
