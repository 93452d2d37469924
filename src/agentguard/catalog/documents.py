"""The JSON document of a comparison with the catalogue."""

from __future__ import annotations

from typing import Any

from agentguard.catalog.matching import Match, Matches, Standing
from agentguard.catalog.model import Entry
from agentguard.graph.documents import timestamp


def matches_document(matches: Matches) -> dict[str, Any]:
    """Return how everything seen stands to the catalogue, and which entries fit nothing seen."""
    catalog = matches.catalog
    return {
        "catalog": None if catalog is None else {"origin": catalog.origin, "entries": len(catalog.entries), "currency": catalog.currency},
        "note": matches.note,
        "components": [_match(m) for m in matches.components],
        "workflows": [{"id": workflow, "entry": _entry(entry)} for workflow, entry in matches.workflows],
        "shadow_agents": [m.component for m in matches.shadow],
        "unidentified_agents": [m.component for m in matches.components if m.standing is Standing.UNIDENTIFIED],
        "not_seen": [_entry(e) for e in matches.unmatched],
    }


def _match(m: Match) -> dict[str, Any]:
    return {
        "id": m.component,
        "standing": m.standing.value,
        "reason": m.reason,
        "entry": None if m.entry is None else _entry(m.entry),
        "first_seen": timestamp(m.first_seen),
        "last_seen": timestamp(m.last_seen),
    }


def _entry(e: Entry) -> dict[str, Any]:
    return {"id": e.id, "name": e.name, "owner": e.owner, "value_per_run": e.value_per_run}
