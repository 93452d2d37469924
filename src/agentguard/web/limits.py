"""How often a client may ask.

The RateLimit fields of draft-ietf-httpapi-ratelimit-headers-11 (May 2026), and 429 where it is too
often.
"""

from __future__ import annotations

import math

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentguard.coordination.limits import WINDOW_SECONDS, Quota, RateLimits
from agentguard.web.problems import ProblemResponse

FIELDS = ("RateLimit-Policy", "RateLimit")
_LIMITED = "/api/"
_POLICY = "minute"


class RateGuard:
    """Lets a client make so many requests below /api in a minute, and tells it how many are left.

    Pure ASGI, as the other guards.

    It stands behind them, so who is counted holds the key, or is on this machine. A client is then
    the address that it speaks from: what forwarding headers say is not believed, so behind a proxy
    all are one client.
    """

    def __init__(self, app: ASGIApp, *, limits: RateLimits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_LIMITED):
            await self._app(scope, receive, send)
            return
        quota = await self._limits.admit(_client(scope))
        if quota.admitted:
            await self._app(scope, receive, _telling(quota, send))
        else:
            await _too_many(quota)(scope, receive, send)


def _client(scope: Scope) -> str:
    client = scope.get("client")
    return "unix" if client is None else str(client[0])


def _telling(quota: Quota, send: Send) -> Send:
    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_fields(quota))
        await send(message)

    return tell


def _fields(quota: Quota) -> dict[str, str]:
    policy = f'"{_POLICY}";q={quota.limit};w={WINDOW_SECONDS}'
    return dict(
        zip(
            FIELDS,
            (policy, f'"{_POLICY}";r={quota.left};t={math.ceil(quota.seconds)}'),
            strict=True,
        )
    )


def _too_many(quota: Quota) -> ProblemResponse:
    seconds = math.ceil(quota.seconds)
    detail = (
        f"More than {quota.limit:,} requests came from this client within a minute. Come again in"
        f" {seconds} seconds."
    )
    headers = _fields(quota) | {"Retry-After": str(seconds)}
    return ProblemResponse(
        429,
        "too-many-requests",
        detail,
        headers=headers,
        extensions={"violated-policies": [_POLICY]},
    )
