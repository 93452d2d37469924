"""Entries of the audit log as rows of `audit_logs`, for people who query the database."""

from __future__ import annotations

import uuid
from typing import Any

from agentguard.audit.entries import Entry
from agentguard.audit.merkle import leaf_hash

_NAMESPACE = uuid.UUID("6f1b5c0e-6f0c-5b1e-9a57-1d5d3f2c7a10")
"""Of the rows' ids, so that an entry has the same one in every database."""


def projected(leaf: bytes, index: int) -> dict[str, Any]:
    """Return the row of an entry; its evidence is the entry without its payload."""
    entry = Entry.parse(leaf)
    evidence = {
        "index": index,
        "time": str(entry.time_ns),
        "actor": {"id": entry.actor.id, "kind": entry.actor.kind},
        "action": entry.action,
        "object": entry.object_id,
        "graph_version": entry.graph_version,
        "trace_ids": list(entry.evidence),
    }
    return {
        "id": uuid.uuid5(_NAMESPACE, leaf_hash(leaf).hex()),
        "log_type": entry.action,
        "evidence": _storable(evidence),
        "created_at": entry.time_ns,
        "log_index": index,
    }


def _storable(value: Any) -> Any:
    """Return JSON without NUL, which PostgreSQL cannot store."""
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, dict):
        return {name: _storable(each) for name, each in value.items()}
    return [_storable(each) for each in value] if isinstance(value, list) else value
