"""The audit entries of an incident, and which of them a blockchain holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from agentguard.audit.anchor_store import AnchorStores
from agentguard.audit.anchors import AnchorReceipt
from agentguard.audit.documents import receipt_document
from agentguard.audit.entries import Entry
from agentguard.audit.merkle import leaf_hash
from agentguard.audit.store import EntryFilter, StoredEntry
from agentguard.incidents.model import Incident

Document: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Proven:
    """A sequenced entry, and the final anchor that covers it, if one does."""

    entry: StoredEntry
    receipt: AnchorReceipt | None


@dataclass(frozen=True, slots=True)
class IncidentProof:
    """What the audit log holds of an incident."""

    entries: tuple[Proven, ...] = ()
    """In the order of the log."""
    waiting: int = 0
    """Entries that are appended, but have no place in the log yet."""

    def document(self) -> Document:
        """Return `audit_entries`, `blockchain_proof` and why that is null or incomplete."""
        anchored = [each for each in self.entries if each.receipt is not None]
        return {
            "audit_entries": [each.entry.index for each in self.entries],
            "audit_entries_waiting": self.waiting,
            "blockchain_proof": _proof(anchored) if anchored else None,
            "blockchain_proof_reason": self._reason(len(anchored)),
        }

    def _reason(self, anchored: int) -> str | None:
        total = len(self.entries) + self.waiting
        if anchored == total:
            return None
        if anchored:
            return f"{anchored} of {total} audit entries are anchored; the others are not yet."
        return (
            "No audit entry of this incident is anchored yet. `agentguard audit anchor` anchors the"
            " log on the chain that is set."
        )


async def proof_of(stores: AnchorStores, incident: Incident) -> IncidentProof:
    """Return what the log holds of the incident, which has one entry per version."""
    entries = await entries_of(stores, incident.id, incident.version)
    found: list[Proven] = []
    size, receipt = 0, None
    for entry in entries:
        index = entry.index or 0
        if receipt is None or index >= size:  # else the last anchor covers this one, too
            anchor = await stores.anchors.covering(index)
            if anchor is None or anchor.receipt is None:
                receipt = None
            else:
                size, receipt = anchor.size, anchor.receipt.anchored
        found.append(Proven(entry, receipt))
    return IncidentProof(tuple(found), max(0, incident.version - len(found)))


async def entries_of(stores: AnchorStores, incident_id: str, most: int) -> tuple[StoredEntry, ...]:
    """Return the sequenced entries about an incident, in the order of the log."""
    newest = await stores.audit.entries(EntryFilter(incident=incident_id), most)
    return tuple(reversed(newest))


def _proof(anchored: Sequence[Proven]) -> Document:
    """Return the anchor of the newest anchored entry, then each entry with its own."""
    return {
        **receipt_document(anchored[-1].receipt),
        "entries": [
            {
                "index": each.entry.index,
                "action": Entry.parse(each.entry.leaf).action,
                "data_hash": leaf_hash(each.entry.leaf).hex(),
                "tx_hash": None if each.receipt is None else each.receipt.tx_hash,
                "block": None if each.receipt is None else each.receipt.block_number,
            }
            for each in anchored
        ],
    }
