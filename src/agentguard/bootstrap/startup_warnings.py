"""What a long-running process says of its settings as it starts.

What has no effect, what shuts others out.
"""

from __future__ import annotations

import structlog

from agentguard.environment import environment
from agentguard.settings import Settings, unknown_settings, unused_settings

log = structlog.get_logger(__name__)


def note_settings() -> None:
    """Log which settings have no effect."""
    for name in unused_settings(environment()):
        log.warning("setting_not_used", setting=name, detail="This version has no such part yet.")
    for name in unknown_settings(environment()):
        log.warning("setting_unknown", setting=name)


def note_closed_door(settings: Settings, host: str) -> None:
    """Log that who listens at this host will answer nobody else, where that is so."""
    if settings.api_key is None and not (host == "localhost" or host.startswith(("127.", "::1"))):
        log.warning(
            "only_this_machine_is_answered", detail="Set AGENTGUARD_API_KEY to answer others."
        )
