"""The names that AgentGuard's settings go by."""

from __future__ import annotations

from agentguard.environment import names_of
from agentguard.settings import Settings, file_fields


def known_settings() -> set[str]:
    plain = {name for field in Settings.model_fields for name in names_of(field)}
    return plain | {f"{name}_FILE" for field in file_fields() for name in names_of(field)}
