"""Inspection of a DSN, and sending of a test event."""

from __future__ import annotations

import time
from dataclasses import dataclass

import sentry_sdk
from sentry_sdk.utils import BadDsn, Dsn

from agentguard.adapters.sentry.reporting import Sender, open_reports
from agentguard.kernel.errors import UnusableServiceError

_TIMEOUT_SECONDS = 10.0


class TestEventError(Exception):
    """Not a failure: a test of error reporting."""


@dataclass(frozen=True, slots=True)
class Project:
    """Destination of error reports, without the key."""

    host: str
    number: str


def inspect_dsn(dsn: str) -> Project:
    """Return the project of the DSN, without contacting it.

    Raise UnusableServiceError if the DSN is invalid.
    """
    try:
        found = Dsn(dsn)
    except (BadDsn, ValueError) as error:
        raise UnusableServiceError(
            "SENTRY_DSN is not a valid DSN. Copy it from the project's settings in Sentry; it looks"
            " like https://key@host/42."
        ) from error
    return Project(found.netloc, found.project_id)


def send_test_event(dsn: str, *, release: str, environment: str) -> str:
    """Send one event and return its id when Sentry has accepted it.

    Raise UnusableServiceError, with advice, if it was not accepted.
    """
    host = inspect_dsn(dsn).host
    with open_reports(dsn, release=release, environment=environment) as report:
        client = sentry_sdk.get_client()
        event, began = report(TestEventError(), "test_event"), time.monotonic()
        client.flush(_TIMEOUT_SECONDS)
        late = time.monotonic() - began >= _TIMEOUT_SECONDS
        dropped = client.transport.dropped if isinstance(client.transport, Sender) else ()
    if late or dropped or event is None:
        raise UnusableServiceError(f"{host} {_trouble(dropped[0] if dropped else 'network')}")
    return event


def _trouble(reason: str) -> str:
    status = reason.removeprefix("status_")
    if status == "429":
        return "is rate limiting events. Check the project's quota in Sentry."
    if status != reason:
        return (
            f"rejected the event (status {status}). Correct SENTRY_DSN: its key or project is"
            " unknown there."
        )
    return (
        "is unreachable or did not respond. Correct SENTRY_DSN, and allow connections from this"
        " machine to it."
    )
