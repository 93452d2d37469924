"""The JSON documents of the catalogue."""

from __future__ import annotations

from typing import Any

from agentguard.catalog.matching import Matches


def matches_document(matches: Matches) -> dict[str, Any]:
    """Return `catalog` (origin, entries; or null with a note), `components[id, standing, reason, owner, …]`, `shadow_agents`, `unmatched`."""
    raise NotImplementedError
