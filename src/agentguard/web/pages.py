"""The page rule: which web pages may send requests to a server that checks no key.

A browser adds nothing that a foreign page could not make it add, so without a key the headers that
browsers set about the page decide: Origin (RFC 6454) and Sec-Fetch-Site (W3C Fetch Metadata).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.types import Scope

from agentguard.web.headers import header_values

HEALTH_PATHS = frozenset({"/health", "/health/live", "/health/ready"})
SIGN_IN_PATHS = frozenset(
    {
        "/sign-in",
        "/sign-in/page.js",
        "/api/auth/sign-in",
        "/api/auth/token",
        "/api/auth/set-up",
        "/api/auth/sso",
        "/api/auth/sso/callback",
    }
)
"""What whoever has no credentials yet may ask for."""
UI_PATHS = frozenset(
    {
        "/component",
        "/what-if",
        "/incidents",
        "/audit",
        "/coverage",
        "/catalog",
        "/scan",
        "/settings",
        "/trace",
    }
)
"""Pages of the UI, besides `/` for whoever accepts HTML. They hold no data."""
UI_FILES = "/ui-files/"
"""Below it, what the pages are made of."""
LOG_PREFIX = "/log/"
"""Below it, the audit log publishes its hashes."""
_FREE_PATHS = HEALTH_PATHS | {
    "/",
    "/docs",
    "/redoc",
    "/sign-in",
    "/api/auth/sso",
    "/api/auth/sso/callback",
}
"""Pages that cost little: a link on a foreign page may lead to them."""
_SITE, _MODE = b"sec-fetch-site", b"sec-fetch-mode"
SAME_ORIGIN = frozenset({"same-origin", "none"})
SAME_SITE = SAME_ORIGIN | {"same-site"}


def page_violation(
    scope: Scope,
    origins: frozenset[str],
    *,
    is_own: Callable[[str], bool],
    sites: frozenset[str],
) -> str | None:
    """Return why the page that sends a request may not send it, as a sentence; None if it may.

    Allowed are `origins`, the server's own origins (`is_own`) and requests without an origin from
    `sites`: values of Sec-Fetch-Site, which every current browser sends to this machine.
    """
    named = header_values(scope, b"origin")
    if not all(each in origins or is_own(each) for each in named):
        return "The Origin header names a site that is not allowed."
    if named or _is_link(scope) or all(each in sites for each in header_values(scope, _SITE)):
        return None
    return "A page of another site sent the request."


def is_ui(scope: Scope) -> bool:
    """Return whether a request asks for a page of the UI, or for a file of one."""
    if scope["type"] != "http" or scope.get("method") not in ("GET", "HEAD"):
        return False
    path = scope.get("path", "")
    return path in UI_PATHS or path.startswith(UI_FILES) or (path == "/" and accepts_html(scope))


def accepts_html(scope: Scope) -> bool:
    """Return whether the Accept header names text/html, as those of browsers do for pages."""
    return accepts(scope, "text/html")


def accepts(scope: Scope, media_type: str) -> bool:
    """Return whether the Accept header names this type itself; ranges such as `*/*` do not."""
    ranges = [each for value in header_values(scope, b"accept") for each in value.split(",")]
    return any(_names(each, media_type) for each in ranges)


def _names(media_range: str, media_type: str) -> bool:
    name, *parameters = (part.strip().casefold() for part in media_range.split(";"))
    return name == media_type and not any(
        re.fullmatch(r"q=0(\.0{0,3})?", each.replace(" ", "")) for each in parameters
    )


def _is_link(scope: Scope) -> bool:
    return scope.get("path") in _FREE_PATHS and header_values(scope, _MODE) == ["navigate"]
