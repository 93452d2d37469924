"""Documents of the audit log: entries, checkpoints, and what checks found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentguard.audit.bundles import Bundle
from agentguard.audit.canonical import parse_canonical_json
from agentguard.audit.chain_names import chain_name
from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.entries import Entry
from agentguard.audit.merkle import leaf_hash
from agentguard.audit.service import Disagreement, Page
from agentguard.audit.store import StoredCheckpoint, StoredEntry
from agentguard.audit.verification import Check, Outcome, Report
from agentguard.kernel.clock import NS_PER_SECOND, timestamp

_NOT_ASKED = "The chain was not asked."
_NOT_ANCHORED = "No anchor that covers this entry is final yet."


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


def check_document(size: int, found: Sequence[Disagreement]) -> dict[str, Any]:
    """Return what a check of the whole log found."""
    return {
        "entries": size,
        "disagreements": [{"place": d.place, "problem": d.problem} for d in found],
    }


def blockchain_proof_document(bundle: Bundle, check: Check | None = None) -> dict[str, Any]:
    """Return where the entry of a bundle is anchored.

    `check` is what asking the chain just now has found (`CheckName.ANCHOR` of `verify_bundle`).
    `verified` is true only if that check is verified and false if it failed; otherwise it is null,
    and `reason` says why. `data_hash` is the entry's leaf hash, SHA-256 of a zero byte and the
    entry's canonical JSON.
    """
    receipt = bundle.receipt
    return {
        "chain": None if receipt is None else chain_name(receipt.chain_id),
        "chain_id": None if receipt is None else receipt.chain_id,
        "tx_hash": None if receipt is None else receipt.tx_hash,
        "block": None if receipt is None else receipt.block_number,
        "timestamp": None if receipt is None else timestamp(receipt.block_time * NS_PER_SECOND),
        "contract": None if receipt is None else receipt.contract,
        "data_hash": leaf_hash(bundle.leaf).hex(),
        **_asked(bundle, check),
    }


def _asked(bundle: Bundle, check: Check | None) -> dict[str, Any]:
    """Return what the chain says about an anchor; no receipt is verified without asking it."""
    if bundle.receipt is None:
        return {"verified": None, "reason": _NOT_ANCHORED}
    if check is None:
        return {"verified": None, "reason": _NOT_ASKED}
    found = {Outcome.VERIFIED: True, Outcome.FAILED: False, Outcome.NOT_CHECKABLE: None}
    return {"verified": found[check.outcome], "reason": check.detail}
