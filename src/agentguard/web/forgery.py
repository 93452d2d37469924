"""Requests that a foreign page makes a signed-in user's browser send (CSRF)."""

from __future__ import annotations

from hmac import compare_digest

from starlette.types import Scope

from agentguard.accounts.sessions import csrf_token
from agentguard.kernel.errors import AgentGuardError
from agentguard.web.headers import header_values
from agentguard.web.proxies import proxy_violation

HEADER = "X-CSRF-Token"
_HEADER = HEADER.lower().encode()
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class ForeignPageError(AgentGuardError):
    """A web page that may not send requests sent one with a user's cookie or through a proxy."""

    code = "foreign-page"
    status = 403

    def __init__(self, violation: str) -> None:
        super().__init__(
            f"{violation} Add the page's origin to AGENTGUARD_CORS_ORIGINS to accept its requests."
        )


class CSRFTokenMissingError(AgentGuardError):
    """A change with a session's cookie has no token that proves who sends it."""

    code = "csrf-token-missing"
    status = 403

    def __init__(self) -> None:
        super().__init__(
            f"A change with a session needs the header {HEADER}. Its value is `csrf_token` of the"
            " answer to the sign-in, or of GET /api/auth/me."
        )


def require_page(scope: Scope, origins: frozenset[str]) -> None:
    """Raise ForeignPageError if a page of another site sends the request."""
    if (broken := proxy_violation(scope, origins)) is not None:
        raise ForeignPageError(broken)


def require_own_page(scope: Scope, token: str, origins: frozenset[str]) -> None:
    """Raise unless a request with a session's cookie comes from a page of ours.

    A change also needs the session's CSRF token. Raises ForeignPageError, CSRFTokenMissingError.
    """
    require_page(scope, origins)
    if scope.get("method") in _SAFE:
        return
    given = header_values(scope, _HEADER)
    if len(given) != 1 or not compare_digest(given[0].encode(), csrf_token(token).encode()):
        raise CSRFTokenMissingError
