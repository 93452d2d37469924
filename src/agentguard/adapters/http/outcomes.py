"""What a receiver's response, or its silence, means for a notification."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from agentguard.adapters.http.guarded_client import (
    GuardedClient,
    Response,
    TargetRefusedError,
    TargetUnreachableError,
)
from agentguard.adapters.http.targets import BadTargetError
from agentguard.kernel.clock import NS_PER_SECOND, Clock
from agentguard.notifications.model import Accepted, Failed, Outcome

_TRANSIENT = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Of 4xx, what may be otherwise next time."""
_USER_AGENT = "AgentGuard"


@dataclass(frozen=True, slots=True)
class Poster:
    """Posts JSON, and says what came of it."""

    client: GuardedClient
    clock: Clock

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> tuple[Outcome, Response | None]:
        """Return the outcome, and the response if there was one."""
        sent = {"Content-Type": "application/json", "User-Agent": _USER_AGENT, **(headers or {})}
        try:
            response = await self.client.post(url, body, sent)
        except BadTargetError as error:
            return Failed(str(error), permanent=True), None
        except (TargetRefusedError, TargetUnreachableError) as error:
            return Failed(str(error)), None
        return outcome_of(response, now=self.clock() / NS_PER_SECOND), response


def outcome_of(response: Response, *, now: float) -> Outcome:
    """Return what a status means; `now` is the Unix time, for a Retry-After that is a date.

    Redirects are not followed, and mean that the URL is to be corrected.
    """
    status = response.status
    if 200 <= status < 300:
        return Accepted()
    asked = retry_after(response.headers.get("retry-after"), now=now)
    if 300 <= status < 400:
        return Failed(f"status {status}: it redirects, which is not followed", permanent=True)
    permanent = 400 <= status < 500 and status not in _TRANSIENT
    return Failed(f"status {status}", permanent=permanent, retry_after_seconds=asked)


def retry_after(value: str | None, *, now: float) -> float | None:
    """Return the seconds that Retry-After asks for (RFC 9110, 10.2.3); None if it says nothing."""
    if value is None:
        return None
    if value.strip().isdecimal() and value.isascii():
        return min(float(value), _LONGEST_SECONDS)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.fromtimestamp(now, UTC)
    return min(max(math.ceil(seconds.total_seconds()), 0), _LONGEST_SECONDS)


_LONGEST_SECONDS = 366 * 24 * 3600.0
"""More than any notification is tried, and a number that times can be added to."""
