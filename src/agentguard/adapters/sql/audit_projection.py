"""Entries of the audit log as rows of `audit_logs`, for people who query the database."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import RowMapping, Select, func, select

from agentguard.adapters.sql.columns import without_nul
from agentguard.adapters.sql.tables import audit_logs
from agentguard.audit.entries import Entry
from agentguard.audit.errors import AuditFormatError
from agentguard.audit.merkle import leaf_hash

_NAMESPACE = uuid.UUID("6f1b5c0e-6f0c-5b1e-9a57-1d5d3f2c7a10")
"""Of the rows' ids, so that an entry has the same one in every database."""
_NS_PER_US = 1000


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
        "evidence": without_nul(evidence),
        "created_at": entry.time_ns,
        "log_index": index,
    }


def incident_of(leaf: bytes) -> uuid.UUID | None:
    """Return the incident that an entry is about, which need not be stored any more."""
    entry = Entry.parse(leaf)
    if not entry.action.startswith("incident.") or entry.object_id is None:
        return None
    try:
        return uuid.UUID(entry.object_id)
    except ValueError:
        return None


def differing(leaves: Sequence[bytes], first: int, stored: Iterable[RowMapping]) -> tuple[int, ...]:
    """Return the indexes of leaves that do not have one row each, as `projected` made it."""
    found: dict[int, list[RowMapping]] = {}
    for row in stored:
        found.setdefault(row["log_index"], []).append(row)
    pairs = enumerate(leaves, first)
    return tuple(index for index, leaf in pairs if not _is_projected(leaf, index, found.get(index)))


def _is_projected(leaf: bytes, index: int, stored: Sequence[RowMapping] | None) -> bool:
    try:
        expected = projected(leaf, index)
    except AuditFormatError:
        return True  # the leaf itself is wrong, and found so
    if stored is None or len(stored) != 1:
        return False
    if stored[0]["incident_id"] not in (None, incident_of(leaf)):
        return False
    expected["created_at"] = expected["created_at"] // _NS_PER_US * _NS_PER_US
    return all(stored[0][name] == value for name, value in expected.items())


def marked_ranges() -> Select[Any]:
    """Return the statement for the entries of each transaction: `first`, `last` and `number`."""
    index, tx_hash = audit_logs.c.log_index, audit_logs.c.blockchain_tx_hash
    facts = (func.min(index).label("first"), func.max(index).label("last"))
    named = select(tx_hash.label("tx_hash"), *facts, func.count().label("number"))
    return named.where(tx_hash.is_not(None), index.is_not(None)).group_by(tx_hash)
