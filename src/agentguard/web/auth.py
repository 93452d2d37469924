"""Authentication: which principal makes a request."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from agentguard.accounts.identities import Identities
from agentguard.accounts.principal import EVERY_PERMISSION, Permission, Principal, PrincipalKind
from agentguard.audit.refused_access import RefusedAccess
from agentguard.bootstrap.app import App
from agentguard.kernel.errors import AgentGuardError, UnavailableError
from agentguard.web.cookies import session_token
from agentguard.web.errors import error_response
from agentguard.web.forgery import ForeignPageError, require_own_page, require_page
from agentguard.web.loopback import violation
from agentguard.web.pages import HEALTH_PATHS, LOG_PREFIX, SIGN_IN_PATHS, is_ui
from agentguard.web.proxies import proxy_violation
from agentguard.web.refusals import note_refusal
from agentguard.web.stream_guard import StreamGuard

BOOTSTRAP_KEY = Principal("api-key:bootstrap", PrincipalKind.API_KEY, EVERY_PERMISSION)
"""Whoever sends the key that AGENTGUARD_API_KEY sets."""
LOOPBACK = Principal("loopback", PrincipalKind.LOOPBACK, EVERY_PERMISSION)
"""Whoever sends a loopback request to a server without keys and users."""
ANYONE = Principal("anyone", PrincipalKind.ANYONE, frozenset({Permission.READ}))
"""Whoever reads the audit log's hashes, where they are public."""
PROXY = Principal("proxy", PrincipalKind.PROXY, EVERY_PERMISSION)
"""Whoever a proxy in front of the server has authenticated."""


class LoopbackOnlyError(AgentGuardError):
    """A request that is not a loopback request reached a server without keys and users."""

    code = "loopback-only"
    status = 403

    def __init__(self, violation: str) -> None:
        super().__init__(
            f"{violation} There are no API keys and no users: only loopback requests are accepted."
            " Set AGENTGUARD_API_KEY, run `agentguard keys create` or `agentguard users create`, to"
            " accept others."
        )


class AuthenticationRequiredError(AgentGuardError):
    """A request has no valid credentials."""

    code = "authentication-required"
    status = 401

    def __init__(self) -> None:
        super().__init__(
            "The request has no valid credentials. Send an API key as `Authorization: Bearer KEY`"
            " (AGENTGUARD_API_KEY, or one of `agentguard keys create`), or sign in."
        )


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Makes the principal of each request.

    By its credentials where there are keys or users, else by the loopback rule. Where a proxy in
    front authenticates and the bootstrap key is not set, requests need no credentials.
    """

    key: bytes | None
    """The bootstrap key."""
    origins: frozenset[str]
    """Origins whose pages may send requests without a key, beside the server's own."""
    identities: Identities
    proxy_authenticates: bool = False
    log_is_public: bool = False

    async def authenticate(self, scope: Scope) -> Principal | None:
        """Return who makes the request; None without credentials, where none are needed.

        Raise LoopbackOnlyError, ForeignPageError or AuthenticationRequiredError if the request must
        be refused; UnavailableError if the database does not answer.
        """
        try:
            return await self._identified(scope)
        except AgentGuardError:
            if self.log_is_public and _reads_log(scope):
                return ANYONE
            raise

    async def _identified(self, scope: Scope) -> Principal | None:
        if is_ui(scope):
            return None
        if scope.get("path") in SIGN_IN_PATHS:
            return await self._signing_in(scope)
        credential = _bearer(scope)
        if self._is_bootstrap(credential):
            return BOOTSTRAP_KEY
        if (found := await self._owner(scope, credential)) is not None:
            return found
        if self.key is None and (self.proxy_authenticates or not await self._accounts(scope)):
            return self._without_credentials(scope)
        if scope.get("path") in HEALTH_PATHS:
            return None
        raise AuthenticationRequiredError

    async def _accounts(self, scope: Scope) -> bool:
        """Return whether requests need credentials; health checks need no database to be told."""
        try:
            return await self.identities.exist()
        except UnavailableError:
            if scope.get("path") not in HEALTH_PATHS:
                raise
            return True

    async def _signing_in(self, scope: Scope) -> Principal | None:
        """Let in whoever has no credentials yet, unless a foreign page sends the request."""
        if self.key is None and not await self.identities.exist():
            return self._without_credentials(scope)
        require_page(scope, self.origins)
        return None

    async def _owner(self, scope: Scope, credential: bytes | None) -> Principal | None:
        """Return whose the credential is or, where there is none, whose the session is."""
        if credential is not None:
            return await self.identities.of_bearer(credential.decode("latin-1"))
        token = session_token(scope)
        found = None if token is None else await self.identities.of_session(token)
        if token is not None and found is not None:
            require_own_page(scope, token, self.origins)
        return found

    def _is_bootstrap(self, credential: bytes | None) -> bool:
        if self.key is None or credential is None:
            return False
        return hmac.compare_digest(credential, self.key)

    def _without_credentials(self, scope: Scope) -> Principal:
        if self.proxy_authenticates:
            if (broken := proxy_violation(scope, self.origins)) is not None:
                raise ForeignPageError(broken)
            return PROXY
        if (broken := violation(scope, self.origins)) is not None:
            raise LoopbackOnlyError(broken)
        return LOOPBACK


def authenticator_of(app: App) -> Authenticator:
    """Return the authenticator that the settings ask for."""
    settings = app.settings
    key = None if settings.api_key is None else settings.api_key.get_secret_value().encode()
    return Authenticator(
        key,
        frozenset(settings.cors_origins),
        app.accounts.identities,
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
            actor = await self._authenticator.authenticate(scope)
        except AgentGuardError as error:
            if not isinstance(error, UnavailableError):
                note_refusal(self._refused, scope, error)
            await _refuse(error, scope, receive, send)
            return
        state = {**scope.get("state", {}), "principal": actor, "refused": self._refused}
        guard = StreamGuard(send, lambda: self._authenticator.authenticate(scope))
        await self._app({**scope, "state": state}, receive, guard)


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


def _bearer(scope: Scope) -> bytes | None:
    """Return the credential of the only Authorization header, if its scheme is Bearer."""
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) != 1:
        return None
    scheme, _, credential = given[0].partition(b" ")
    return credential.strip() if scheme.lower() == b"bearer" else None


async def _refuse(error: AgentGuardError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await error_response(error, Request(scope))(scope, receive, send)
