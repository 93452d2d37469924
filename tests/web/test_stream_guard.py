"""Open event streams end with the session or key that opened them."""

from __future__ import annotations

import pytest

from agentguard.accounts.errors import SignInFailedError
from agentguard.adapters.sql.errors import DatabaseUnavailableError
from agentguard.web.stream_guard import StreamGuard

pytestmark = pytest.mark.anyio

EVENTS = "text/event-stream; charset=utf-8"


async def sent(kind: str, error: Exception | None, *seconds: float) -> list[bytes]:
    """Return the bodies that reach the client, of events sent at these seconds."""
    found, now = [], [0.0]

    async def send(message) -> None:
        if message["type"] == "http.response.body":
            found.append(message["body"])

    async def check() -> None:
        if error is not None and now[0] >= 10:
            raise error

    guard = StreamGuard(send, check, lambda: now[0])
    headers = [(b"content-type", kind.encode())]
    await guard({"type": "http.response.start", "status": 200, "headers": headers})
    for second in seconds:
        now[0] = second
        body = str(second).encode()
        await guard({"type": "http.response.body", "body": body, "more_body": True})
    return found


async def test_after_a_revocation_a_stream_ends_before_its_next_event():
    assert await sent(EVENTS, SignInFailedError(), 1, 9, 10, 11) == [b"1", b"9", b""]


async def test_a_stream_that_is_refused_before_it_starts_starts_all_the_same_and_ends():
    """An end without a start is no HTTP."""
    found, now = [], [0.0]

    async def send(message) -> None:
        found.append(message)

    async def check() -> None:
        raise SignInFailedError

    guard = StreamGuard(send, check, lambda: now[0])
    now[0] = 10.0
    headers = [(b"content-type", EVENTS.encode())]
    await guard({"type": "http.response.start", "status": 200, "headers": headers})
    await guard({"type": "http.response.body", "body": b"secret", "more_body": True})

    assert [(each["type"], each.get("body")) for each in found] == [
        ("http.response.start", None),
        ("http.response.body", b""),
    ]
    assert found[-1]["more_body"] is False


async def test_it_goes_on_while_it_is_allowed_or_nobody_can_say():
    unavailable = DatabaseUnavailableError("db", "gone", "Start it.")

    assert await sent(EVENTS, None, 1, 10, 20) == [b"1", b"10", b"20"]
    assert await sent(EVENTS, unavailable, 1, 10, 20) == [b"1", b"10", b"20"]


async def test_other_responses_are_not_cut():
    assert await sent("application/json", SignInFailedError(), 1, 10) == [b"1", b"10"]
