"""The document of one look at a log."""

from __future__ import annotations

from typing import Any

from agentguard.audit.watching import Look


def look_document(look: Look, state: str) -> dict[str, Any]:
    """Return what a look found; `state` names where it is remembered."""
    return {
        "finding": look.finding.value,
        "alarm": look.alarm,
        "detail": look.detail,
        "key": None if look.key is None else look.key.encode(),
        "trusted_on_first_use": look.on_first_use,
        "evidence": list(look.evidence),
        "state": state,
    }
