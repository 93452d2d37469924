"""The JSON document of a comparison with the catalog."""

from __future__ import annotations

from typing import Any

from agentguard.catalog.comparing import Comparison
from agentguard.catalog.drift import Drift, Extra
from agentguard.catalog.matching import Match, Standing
from agentguard.catalog.model import Catalog, Entry
from agentguard.catalog.presence import Presence, PresenceState
from agentguard.graph.documents import evidence_document
from agentguard.graph.evidence_links import NO_LINKS, TraceLinks
from agentguard.kernel.clock import timestamp


def comparison_document(found: Comparison, links: TraceLinks = NO_LINKS) -> dict[str, Any]:
    """Return the standing of every component and the presence and drift of every entry."""
    matches = found.matches
    return {
        "catalog": None if matches.catalog is None else _catalog(matches.catalog),
        "note": matches.note,
        "components": [_match(m, links) for m in matches.components],
        "workflows": [
            {"id": workflow, "entry": _entry(entry)} for workflow, entry in matches.workflows
        ],
        "shadow_agents": [m.component for m in matches.shadow],
        "unidentified_agents": [m.component for m in matches.standing(Standing.UNIDENTIFIED)],
        "ambiguous": [m.component for m in matches.standing(Standing.AMBIGUOUS)],
        "entries": [_presence(p) for p in found.presences],
        "not_seen": [_presence(p) for p in found.presences if not p.components],
        "ghosts": [_presence(p) for p in found.presences if p.state is PresenceState.GHOST],
        "drift": [_drift(d, links) for d in found.drifts],
        "days_observed": found.days_observed,
        "ghost_days": found.ghost_days,
    }


def _catalog(catalog: Catalog) -> dict[str, Any]:
    return {
        "origin": catalog.origin,
        "entries": len(catalog.entries),
        "currency": catalog.currency,
        "notes": list(catalog.notes),
    }


def _match(m: Match, links: TraceLinks) -> dict[str, Any]:
    return {
        "id": m.component,
        "name": m.name,
        "kind": m.kind.value,
        "standing": m.standing.value,
        "reason": m.reason,
        "entry": None if m.entry is None else _entry(m.entry),
        "first_seen": timestamp(m.first_seen),
        "last_seen": timestamp(m.last_seen),
        "evidence": [evidence_document(e, links) for e in m.evidence],
    }


def _entry(e: Entry) -> dict[str, Any]:
    return {
        "declares": e.declares.value,
        "id": e.id,
        "name": e.name,
        "aliases": list(e.aliases),
        "environment": e.environment,
        "owner": e.owner,
        "criticality": None if e.criticality is None else e.criticality.value,
        "value_per_run": e.value_per_run,
        "origin": e.origin,
        "line": e.line or None,
        "also": [{"origin": other.origin, "line": other.line or None} for other in e.also],
    }


def _presence(p: Presence) -> dict[str, Any]:
    return _entry(p.entry) | {
        "state": p.state.value,
        "reason": p.reason,
        "components": list(p.components),
        "first_seen": timestamp(p.first_seen),
        "last_seen": timestamp(p.last_seen),
    }


def _drift(d: Drift, links: TraceLinks) -> dict[str, Any]:
    return {
        "entry": _entry(d.entry),
        "aspect": d.aspect.value,
        "reason": d.reason,
        "components": list(d.components),
        "missing": list(d.missing),
        "extra": [_extra(e, links) for e in d.extra],
        "owners": [{"owner": o.name, "place": o.place} for o in d.owners],
    }


def _extra(e: Extra, links: TraceLinks) -> dict[str, Any]:
    return {
        "id": e.target.id,
        "name": e.target.name,
        "kind": e.target.kind.value,
        "used_by": e.dependency.source,
        "type": e.dependency.type.value,
        "calls": e.dependency.calls,
        "first_seen": timestamp(e.dependency.first_seen),
        "last_seen": timestamp(e.dependency.last_seen),
        "evidence": [evidence_document(found, links) for found in e.dependency.evidence],
    }
