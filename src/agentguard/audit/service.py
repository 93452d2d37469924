"""Reads the audit log: entries, proofs, bundles, and whether all of it agrees."""

from __future__ import annotations

from dataclasses import dataclass

from agentguard.audit.bundles import Bundle, DisclosedPayload
from agentguard.audit.checking import Disagreement, Tell, check_log, nobody
from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.key_state import KeyState
from agentguard.audit.keys import VerifierKey
from agentguard.audit.merkle import (
    Digest,
    consistency_nodes,
    consistency_proof,
    inclusion_nodes,
    inclusion_proof,
)
from agentguard.audit.sequencing import stored_hashes
from agentguard.audit.store import AuditStores, EntryFilter, StoredCheckpoint, StoredEntry
from agentguard.kernel.errors import InvalidInputError, NotFoundError
from agentguard.unit_of_work import UnitOfWork


class UnknownEntryError(NotFoundError):
    """The log has no entry of this index, or no checkpoint covers it yet."""

    code = "unknown-entry"

    def __init__(self, index: int, size: int) -> None:
        super().__init__(
            f"The audit log has no entry {index}; its newest checkpoint covers {size:,} entries."
        )


class BadRangeError(InvalidInputError):
    """No such part of the log."""

    code = "bad-audit-range"


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first, and what the log holds."""

    entries: tuple[StoredEntry, ...]
    size: int
    waiting: int
    """Entries that are appended, but not sequenced yet."""


@dataclass(frozen=True, slots=True)
class AuditService:
    """Answers from one snapshot each, so that sizes always match."""

    unit_of_work: UnitOfWork[AuditStores]

    async def entries(self, wanted: EntryFilter, limit: int) -> Page:
        """Return the newest entries that match."""

        async def work(stores: AuditStores) -> Page:
            found = await stores.audit.entries(wanted, limit)
            return Page(found, await stores.audit.size(), await stores.audit.waiting())

        return await self.unit_of_work.read(work)

    async def entry(self, index: int) -> StoredEntry:
        """Return the entry at this index. Raises UnknownEntryError."""

        async def work(stores: AuditStores) -> StoredEntry:
            found = await stores.audit.entry(index)
            if found is None:
                raise UnknownEntryError(index, await stores.audit.size())
            return found

        return await self.unit_of_work.read(work)

    async def checkpoint(self) -> StoredCheckpoint | None:
        """Return the newest checkpoint; None: nothing is sequenced yet."""
        return await self.unit_of_work.read(lambda stores: stores.audit.checkpoint())

    async def bundle(self, index: int, key: VerifierKey | None = None) -> Bundle:
        """Return an entry with its proof, the newest checkpoint and all hand-overs of its log.

        Raises UnknownEntryError.
        """

        async def work(stores: AuditStores) -> Bundle:
            state = await KeyState.read(stores.audit)
            newest = state.newest
            size = 0 if newest is None else newest.size
            entry = await stores.audit.entry(index) if 0 <= index < size else None
            if newest is None or entry is None:
                raise UnknownEntryError(index, size)
            stored = await stored_hashes(stores.audit, inclusion_nodes(index, size), size)
            proof = inclusion_proof(index, size, stored)
            signed = SignedCheckpoint.parse(newest.note)
            handovers = state.handovers_of(signed.checkpoint.origin)
            return Bundle(index, entry.leaf, proof, signed, _payload(entry), key, handovers)

        return await self.unit_of_work.read(work)

    async def consistency(self, old_size: int, size: int) -> tuple[Digest, ...]:
        """Return the proof that the log of `size` entries extends that of `old_size`.

        Raises BadRangeError.
        """

        async def work(stores: AuditStores) -> tuple[Digest, ...]:
            newest = await stores.audit.size()
            if not 0 < old_size <= size <= newest:
                raise BadRangeError(
                    f"The sizes {old_size} and {size} must be ascending, from 1 to {newest}."
                )
            stored = await stored_hashes(stores.audit, consistency_nodes(old_size, size), size)
            return consistency_proof(old_size, size, stored)

        return await self.unit_of_work.read(work)

    async def key_state(self) -> KeyState:
        """Return what decides which key signs the log."""
        return await self.unit_of_work.read(lambda stores: KeyState.read(stores.audit))

    async def check(
        self, key: VerifierKey | None = None, tell: Tell = nobody
    ) -> tuple[int, tuple[Disagreement, ...]]:
        """Derive everything again from the entries; return their number, and what differs.

        See `check_log`; `tell` is called with the progress.
        """
        return await check_log(self.unit_of_work, key, tell)


def _payload(entry: StoredEntry) -> DisclosedPayload | None:
    if entry.payload is None or entry.salt is None:
        return None
    return DisclosedPayload(entry.payload, entry.salt)
