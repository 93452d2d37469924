"""Requests that a proxy in front of the server has authenticated."""

from __future__ import annotations

from starlette.types import Scope

from agentguard.web.headers import listed_values
from agentguard.web.pages import SAME_ORIGIN, page_violation

_HOSTS = (b"host", b"x-forwarded-host")


def proxy_violation(scope: Scope, origins: frozenset[str]) -> str | None:
    """Return why a foreign page may not send a request through the proxy, as a sentence; else None.

    The proxy may know its users by cookies, which browsers send for every page.
    """

    def is_own(origin: str) -> bool:
        return origin.partition("://")[2] in listed_values(scope, _HOSTS)

    return page_violation(scope, origins, is_own=is_own, sites=SAME_ORIGIN)
