"""Authentication: which principal makes a request."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from agentguard.accounts.principal import EVERY_PERMISSION, Permission, Principal, PrincipalKind
from agentguard.audit.refused_access import RefusedAccess
from agentguard.kernel.errors import AgentGuardError
from agentguard.settings import Settings
from agentguard.web.errors import error_response
from agentguard.web.loopback import violation
from agentguard.web.pages import HEALTH_PATHS, LOG_PREFIX
from agentguard.web.proxies import proxy_violation
from agentguard.web.refusals import note_refusal

BOOTSTRAP_KEY = Principal("api-key:bootstrap", PrincipalKind.API_KEY, EVERY_PERMISSION)
"""Whoever sends the key that AGENTGUARD_API_KEY sets."""
LOOPBACK = Principal("loopback", PrincipalKind.LOOPBACK, EVERY_PERMISSION)
"""Whoever sends a loopback request to a server without a key."""
ANYONE = Principal("anyone", PrincipalKind.ANYONE, frozenset({Permission.READ}))
"""Whoever reads the audit log's hashes, where they are public."""
PROXY = Principal("proxy", PrincipalKind.PROXY, EVERY_PERMISSION)
"""Whoever a proxy in front of the server has authenticated."""


class LoopbackOnlyError(AgentGuardError):
    """A request that is not a loopback request reached a server without a key."""

    code = "loopback-only"
    status = 403

    def __init__(self, violation: str) -> None:
        super().__init__(
            f"{violation} No API key is set: only loopback requests are accepted. Set"
            " AGENTGUARD_API_KEY to accept others."
        )


class ForeignPageError(AgentGuardError):
    """A web page that may not send requests sent one through the proxy in front."""

    code = "foreign-page"
    status = 403

    def __init__(self, violation: str) -> None:
        super().__init__(
            f"{violation} Add the page's origin to AGENTGUARD_CORS_ORIGINS to accept its requests."
        )


class AuthenticationRequiredError(AgentGuardError):
    """A request has no valid key."""

    code = "authentication-required"
    status = 401

    def __init__(self) -> None:
        super().__init__(
            "The request has no valid API key. Send the value of AGENTGUARD_API_KEY as"
            " `Authorization: Bearer KEY`."
        )


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Makes the principal of each request.

    By the key if one is set, else by the loopback rule unless a proxy in front authenticates.
    """

    key: bytes | None
    origins: frozenset[str]
    """Origins whose pages may send requests without a key, beside the server's own."""
    proxy_authenticates: bool = False
    log_is_public: bool = False

    def authenticate(self, scope: Scope) -> Principal | None:
        """Return who makes the request; None for a health check without the key, which is allowed.

        Raise LoopbackOnlyError, ForeignPageError or AuthenticationRequiredError if the request must
        be refused.
        """
        try:
            return self._identified(scope)
        except AgentGuardError:
            if self.log_is_public and _reads_log(scope):
                return ANYONE
            raise

    def _identified(self, scope: Scope) -> Principal | None:
        if self.key is None:
            return self._without_key(scope)
        if _has_key(scope, self.key):
            return BOOTSTRAP_KEY
        if scope.get("path") in HEALTH_PATHS:
            return None
        raise AuthenticationRequiredError

    def _without_key(self, scope: Scope) -> Principal:
        if self.proxy_authenticates:
            if (broken := proxy_violation(scope, self.origins)) is not None:
                raise ForeignPageError(broken)
            return PROXY
        if (broken := violation(scope, self.origins)) is not None:
            raise LoopbackOnlyError(broken)
        return LOOPBACK


def authenticator_of(settings: Settings) -> Authenticator:
    """Return the authenticator that the settings ask for."""
    key = None if settings.api_key is None else settings.api_key.get_secret_value().encode()
    return Authenticator(
        key,
        frozenset(settings.cors_origins),
        proxy_authenticates=settings.proxy_authenticates,
        log_is_public=settings.audit_log_public,
    )


class Authentication:
    """ASGI middleware that attaches the principal to each request, or refuses the request.

    It acts before routing and before any of the body is read.
    """

    def __init__(
        self, app: ASGIApp, *, authenticator: Authenticator, refused: RefusedAccess
    ) -> None:
        self._app, self._authenticator, self._refused = app, authenticator, refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            actor = self._authenticator.authenticate(scope)
        except AgentGuardError as error:
            note_refusal(self._refused, scope, error)
            await _refuse(error, scope, receive, send)
            return
        state = {**scope.get("state", {}), "principal": actor, "refused": self._refused}
        await self._app({**scope, "state": state}, receive, send)


async def principal_of(request: Request) -> Principal:
    """Return the principal of a request; raise AuthenticationRequiredError if it has none."""
    found: Principal | None = getattr(request.state, "principal", None)
    if found is None:
        raise AuthenticationRequiredError
    return found


ActorOf = Annotated[Principal, Depends(principal_of)]
"""The principal who makes the request: the first argument of every use case that changes state."""


def _reads_log(scope: Scope) -> bool:
    return scope.get("method") == "GET" and scope.get("path", "").startswith(LOG_PREFIX)


def _has_key(scope: Scope, key: bytes) -> bool:
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) != 1:
        return False
    scheme, _, token = given[0].partition(b" ")
    return hmac.compare_digest(token.strip(), key) and scheme.lower() == b"bearer"


async def _refuse(error: AgentGuardError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await error_response(error, Request(scope))(scope, receive, send)
