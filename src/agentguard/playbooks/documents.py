"""The JSON document of a playbook."""

from __future__ import annotations

from typing import Any

from agentguard.graph.evidence_links import NO_LINKS, TraceLinks
from agentguard.playbooks.model import Playbook


def playbook_document(playbook: Playbook, *, links: TraceLinks = NO_LINKS) -> dict[str, Any]:
    """Return the document of `POST /api/playbook`: `incident`, `estimated_recovery_time` (null, with a reason), `steps[…]` and more."""
    raise NotImplementedError
