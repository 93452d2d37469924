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


def warn_if_loopback_only(settings: Settings, host: str) -> None:
    """Log a warning if a server on this address accepts only loopback requests."""
    unlocked = settings.api_key is None and not settings.proxy_authenticates
    if unlocked and not (host == "localhost" or host.startswith(("127.", "::1"))):
        log.warning(
            "loopback_requests_only",
            detail="Set AGENTGUARD_API_KEY to accept others.",
        )
