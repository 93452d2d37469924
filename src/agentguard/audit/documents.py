"""Documents of the audit log: entries, checkpoints, and what checks found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentguard.audit.canonical import parse_canonical_json
from agentguard.audit.checking import Disagreement
from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.entries import Entry
from agentguard.audit.service import Page
from agentguard.audit.store import StoredCheckpoint, StoredEntry
from agentguard.audit.verification import Report
from agentguard.kernel.clock import timestamp


def entry_document(stored: StoredEntry) -> dict[str, Any]:
    """Return an entry; `payload` is null where it was removed."""
    entry = Entry.parse(stored.leaf)
    payload = None if stored.payload is None else parse_canonical_json(stored.payload, "payload")
    return {
        "index": stored.index,
        "time": timestamp(entry.time_ns),
        "actor": {"id": entry.actor.id, "kind": entry.actor.kind},
        "action": entry.action,
        "object": entry.object_id,
        "graph_version": entry.graph_version,
        "trace_ids": list(entry.evidence),
        "payload": payload,
        "payload_removed": stored.payload is None,
    }


def page_document(page: Page, limit: int) -> dict[str, Any]:
    """Return a page of entries; `next` is the index that gives the next page."""
    entries = [entry_document(entry) for entry in page.entries]
    more = len(entries) == limit and entries[-1]["index"] > 0
    return {
        "entries": entries,
        "size": page.size,
        "pending": page.waiting,
        "next": entries[-1]["index"] if more else None,
    }


def checkpoint_document(stored: StoredCheckpoint) -> dict[str, Any]:
    """Return a checkpoint and its note, which is what its signatures cover."""
    checkpoint = SignedCheckpoint.parse(stored.note).checkpoint
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "time": timestamp(stored.time),
        "note": stored.note.decode(),
    }


def report_document(report: Report) -> dict[str, Any]:
    """Return the outcome of each check of a bundle."""
    return {
        "outcome": report.outcome.value,
        "checks": [
            {"check": c.name.value, "outcome": c.outcome.value, "detail": c.detail}
            for c in report.checks
        ],
    }


def check_document(
    size: int, found: Sequence[Disagreement], *, removed: int, seconds: float
) -> dict[str, Any]:
    """Return what a check of the whole log found, and how fast it was."""
    return {
        "entries": size,
        "payloads_removed": removed,
        "entries_per_second": round(size / seconds) if seconds > 0 else None,
        "disagreements": [{"place": d.place, "problem": d.problem} for d in found],
    }
