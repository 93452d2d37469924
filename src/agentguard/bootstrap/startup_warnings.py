"""Warnings about settings that a server or worker logs when it starts."""

from __future__ import annotations

import structlog

from agentguard.environment import environment, unused_settings
from agentguard.settings import Settings, unknown_settings

log = structlog.get_logger(__name__)


def warn_of_unused_settings() -> None:
    """Log a warning for each setting without effect."""
    for name in unused_settings(environment()):
        log.warning("setting_not_used", setting=name, detail="This version does not use it.")
    for name in unknown_settings(environment()):
        log.warning("setting_unknown", setting=name)


def tell_of_loopback_only(settings: Settings, host: str, *, accounts: bool) -> None:
    """Log whether only loopback requests are accepted, without credentials.

    `accounts`: whether there are keys or users, so that requests need credentials. It is a warning
    if the server listens on an address of other machines, too.
    """
    if settings.api_key is not None or settings.proxy_authenticates or settings.users or accounts:
        return
    local = host == "localhost" or host.startswith(("127.", "::1"))
    (log.info if local else log.warning)(
        "loopback_requests_only",
        detail="There are no API keys and no users: requests from this machine need no credentials,"
        " others are refused. Set AGENTGUARD_API_KEY, run `agentguard keys create` or `agentguard"
        " users create`, to accept others.",
    )
