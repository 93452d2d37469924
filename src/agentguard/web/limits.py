"""Rate limits per client.

The RateLimit fields of draft-ietf-httpapi-ratelimit-headers-11 (May 2026), and 429 above the limit.
"""

from __future__ import annotations

import math

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentguard.accounts.principal import Principal, PrincipalKind
from agentguard.coordination.limits import WINDOW_SECONDS, Quota, RateLimits
from agentguard.kernel.problems import problem_document
from agentguard.web.pages import LOG_PREFIX
from agentguard.web.problems import ProblemResponse

FIELDS = ("RateLimit-Policy", "RateLimit")
_LIMITED = ("/api/", LOG_PREFIX)
_POLICY = "minute"
_UNNAMED = (PrincipalKind.LOOPBACK, PrincipalKind.PROXY, PrincipalKind.ANYONE)
"""Kinds of principals that are many people."""


class RateGuard:
    """ASGI middleware that limits each client's requests below /api and /log per minute.

    It acts after authentication, so refused requests are not counted. A client is the user or the
    key that sends the request or, without credentials, the peer's address.
    """

    def __init__(self, app: ASGIApp, *, limits: RateLimits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_LIMITED):
            await self._app(scope, receive, send)
            return
        quota = await self._limits.admit(_client(scope))
        if quota.admitted:
            await self._app(scope, receive, _with_fields(quota, send))
        else:
            await _too_many(quota)(scope, receive, send)


def _client(scope: Scope) -> str:
    actor: Principal | None = scope.get("state", {}).get("principal")
    return client_of(scope) if actor is None or actor.kind in _UNNAMED else actor.id


def client_of(scope: Scope) -> str:
    """Return the peer's address."""
    client = scope.get("client")
    return "unix" if client is None else str(client[0])


def _with_fields(quota: Quota, send: Send) -> Send:
    async def send_with_fields(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_fields(quota))
        await send(message)

    return send_with_fields


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
        f"This client sent more than {quota.limit:,} requests within a minute. Retry after"
        f" {seconds} s."
    )
    document = problem_document(429, "too-many-requests", detail, {"violated-policies": [_POLICY]})
    return ProblemResponse(document, _fields(quota) | {"Retry-After": str(seconds)})
