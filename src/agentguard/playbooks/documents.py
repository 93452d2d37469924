"""The JSON document of a playbook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agentguard.playbooks.model import Playbook


def playbook_document(playbook: Playbook, *, link: Callable[[str], str | None] | None = None) -> dict[str, Any]:
    """Return the document of `POST /api/playbook`: `incident`, `estimated_recovery_time` (null, with a reason), `steps[…]` and more."""
    raise NotImplementedError
