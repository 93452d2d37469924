"""The cookies of a session, and of a sign-in at an identity provider (RFC 6265)."""

from __future__ import annotations

from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import Scope

from agentguard.web.headers import header_values
from agentguard.web.loopback import stays_here

_SESSION, _ATTEMPT = "agentguard-session", "agentguard-sso"
"""Over TLS after `__Host-`: browsers keep such a cookie only if it is secure and of this host, so
that no other host of the domain can plant one.
"""
_ATTEMPT_SECONDS = 600


def session_token(scope: Scope) -> str | None:
    """Return the token in the session cookie, if there is one."""
    return _cookie(scope, _SESSION)


def set_session(response: Response, scope: Scope, token: str, seconds: int) -> None:
    """Let the client keep the token: not readable by pages, not sent by those of other sites."""
    _set(response, scope, _SESSION, token, seconds)


def clear_session(response: Response, scope: Scope) -> None:
    _clear(response, scope, _SESSION)


def kept_attempt(scope: Scope) -> str | None:
    """Return what the client keeps while its user is at the identity provider."""
    return _cookie(scope, _ATTEMPT)


def set_attempt(response: Response, scope: Scope, text: str) -> None:
    _set(response, scope, _ATTEMPT, text, _ATTEMPT_SECONDS)


def clear_attempt(response: Response, scope: Scope) -> None:
    _clear(response, scope, _ATTEMPT)


def is_secure(scope: Scope) -> bool:
    """Return whether cookies are for TLS only: always, unless the request stays on this machine."""
    return scope.get("scheme") == "https" or not stays_here(scope)


def _cookie(scope: Scope, kind: str) -> str | None:
    """Return the cookie; those that other programs set may be odd, and hide no other."""
    name = _name(scope, kind)
    found = (cookie_parser(value).get(name) for value in header_values(scope, b"cookie"))
    return next((value for value in found if value is not None), None)


def _set(response: Response, scope: Scope, kind: str, value: str, seconds: int) -> None:
    response.set_cookie(
        _name(scope, kind),
        value,
        max_age=seconds,
        secure=is_secure(scope),
        httponly=True,
        samesite="lax",
    )


def _clear(response: Response, scope: Scope, kind: str) -> None:
    response.delete_cookie(
        _name(scope, kind), secure=is_secure(scope), httponly=True, samesite="lax"
    )


def _name(scope: Scope, kind: str) -> str:
    return f"__Host-{kind}" if is_secure(scope) else kind
