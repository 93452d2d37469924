"""Documents of the audit log: entries, checkpoints, and what checks found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentguard.audit.anchors import AnchorReceipt
from agentguard.audit.bundles import Bundle
from agentguard.audit.canonical import parse_canonical_json
from agentguard.audit.chain_names import chain_name
from agentguard.audit.checking import Disagreement
from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.encoding import base64_text
from agentguard.audit.entries import Entry
from agentguard.audit.keys import VerifierKey
from agentguard.audit.merkle import leaf_hash
from agentguard.audit.service import ConsistencyProof, Page
from agentguard.audit.signers import Signer, signers
from agentguard.audit.store import StoredEntry
from agentguard.audit.verification import Outcome, Report
from agentguard.audit.verifying import Verification
from agentguard.kernel.clock import NS_PER_SECOND, timestamp


def entry_document(stored: StoredEntry) -> dict[str, Any]:
    """Return an entry; `payload` is null where it was removed."""
    return _entry(stored.index, stored.leaf, stored.payload)


def _entry(index: int | None, leaf: bytes, raw_payload: bytes | None) -> dict[str, Any]:
    entry = Entry.parse(leaf)
    payload = None if raw_payload is None else parse_canonical_json(raw_payload, "payload")
    return {
        "index": index,
        "time": timestamp(entry.time_ns),
        "actor": {"id": entry.actor.id, "kind": entry.actor.kind},
        "action": entry.action,
        "object": entry.object_id,
        "graph_version": entry.graph_version,
        "trace_ids": list(entry.evidence),
        "payload": payload,
        "payload_removed": raw_payload is None,
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


def checkpoint_document(
    signed: SignedCheckpoint, time: int | None, keys: Sequence[VerifierKey]
) -> dict[str, Any]:
    """Return a checkpoint, its note and who has signed it; `keys` are those that are known."""
    checkpoint = signed.checkpoint
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "time": None if time is None else timestamp(time),
        "note": signed.note.encode().decode(),
        "signatures": [_signature(one) for one in signers(signed.note, keys)],
    }


def _signature(signer: Signer) -> dict[str, Any]:
    seconds = signer.time_seconds
    return {
        "name": signer.name,
        "key_id": signer.key_id.hex(),
        "kind": signer.kind.value,
        "outcome": signer.outcome.value,
        "time": None if seconds is None else timestamp(seconds * NS_PER_SECOND),
    }


def proof_document(bundle: Bundle, keys: Sequence[VerifierKey]) -> dict[str, Any]:
    """Return an entry, its proof, the checkpoint and its anchor.

    `data` is what `POST /verify` takes. No chain is asked here, so `verified` is null.
    """
    payload = bundle.payload
    return {
        "index": bundle.index,
        **receipt_document(bundle.receipt),
        "verified": None,
        "data_hash": leaf_hash(bundle.leaf).hex(),
        "proof": [base64_text(step) for step in bundle.proof],
        "checkpoint": checkpoint_document(bundle.signed, bundle.signed_at, keys),
        "key": None if bundle.key is None else bundle.key.encode(),
        "entry": _entry(bundle.index, bundle.leaf, None if payload is None else payload.canonical),
        "data": {
            "entry": parse_canonical_json(bundle.leaf, "audit entry"),
            "payload": None
            if payload is None
            else parse_canonical_json(payload.canonical, "payload"),
            "salt": None if payload is None else payload.salt.hex(),
        },
    }


def receipt_document(receipt: AnchorReceipt | None) -> dict[str, Any]:
    """Return where a checkpoint is anchored; all members are null without a receipt."""
    return {
        "chain": None if receipt is None else chain_name(receipt.chain_id),
        "chain_id": None if receipt is None else receipt.chain_id,
        "tx_hash": None if receipt is None else receipt.tx_hash,
        "block": None if receipt is None else receipt.block_number,
        "timestamp": None if receipt is None else timestamp(receipt.block_time * NS_PER_SECOND),
        "contract": None if receipt is None else receipt.contract,
    }


def consistency_document(proof: ConsistencyProof) -> dict[str, Any]:
    """Return a consistency proof."""
    return {
        "from": proof.old_size,
        "to": proof.size,
        "proof": [base64_text(step) for step in proof.hashes],
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


def verification_document(found: Verification) -> dict[str, Any]:
    """Return what was verified, and where the data are anchored as far as that is known."""
    verified = {Outcome.VERIFIED: True, Outcome.FAILED: False, Outcome.NOT_CHECKABLE: None}
    return {
        **receipt_document(found.receipt),
        "tx_hash": found.tx_hash if found.receipt is None else found.receipt.tx_hash,
        "data_hash": None if found.data_hash is None else found.data_hash.hex(),
        "verified": verified[found.outcome],
        **report_document(found.report),
        "outcome": found.outcome.value,
    }


def check_document(
    size: int,
    found: Sequence[Disagreement],
    *,
    removed: int,
    seconds: float,
    signature_checked: bool,
) -> dict[str, Any]:
    """Return what a check of the whole log found, and how fast it was."""
    return {
        "entries": size,
        "payloads_removed": removed,
        "signature_checked": signature_checked,
        "entries_per_second": round(size / seconds) if seconds > 0 else None,
        "disagreements": [_disagreement(each) for each in found if each.checkable],
        "not_checkable": [_disagreement(each) for each in found if not each.checkable],
    }


def _disagreement(found: Disagreement) -> dict[str, str]:
    return {"place": found.place, "problem": found.problem}
