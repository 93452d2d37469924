"""Reads the audit log: entries, proofs, bundles, and whether all of it agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from agentguard.audit.anchor_store import AnchorStores
from agentguard.audit.anchoring import Anchor
from agentguard.audit.anchors import Anchored
from agentguard.audit.bundles import Bundle, DisclosedPayload
from agentguard.audit.checking import Disagreement, Tell, check_log, nobody
from agentguard.audit.checkpoints import Checkpoint, SignedCheckpoint
from agentguard.audit.entries import Entry
from agentguard.audit.errors import HashMissingError
from agentguard.audit.key_state import KeyState
from agentguard.audit.keys import VerifierKey
from agentguard.audit.merkle import (
    Digest,
    consistency_nodes,
    consistency_proof,
    inclusion_nodes,
    inclusion_proof,
)
from agentguard.audit.store import (
    AuditStores,
    CitingStores,
    EntryFilter,
    StoredCheckpoint,
    StoredEntry,
)
from agentguard.audit.stored_tree import difference, stored_hashes
from agentguard.audit.tiles import Tile
from agentguard.kernel.clock import NS_PER_MICROSECOND
from agentguard.kernel.errors import InvalidInputError, NotFoundError
from agentguard.unit_of_work import UnitOfWork

_SAME_TIME = 1000
"""Entries of one actor, action, object and microsecond among which one is looked for."""


class UnknownEntryError(NotFoundError):
    """The log has no entry of this index, or no checkpoint covers it yet."""

    code = "unknown-entry"

    def __init__(self, index: int, size: int) -> None:
        super().__init__(
            f"The audit log has no entry {index}; its newest checkpoint covers {size:,} entries."
        )


class UnknownCheckpointError(NotFoundError):
    """No checkpoint of this size is stored."""

    code = "unknown-checkpoint"

    def __init__(self, size: int | None) -> None:
        super().__init__(
            "The audit log has no checkpoint yet: it has no entry, or none is sequenced. Try again"
            " in a few seconds."
            if size is None
            else f"The audit log has no checkpoint of size {size}. Ask for the newest one."
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
class SequencingProgress:
    """How far the log is sequenced."""

    pending: int
    """Entries that are appended, but not sequenced yet."""
    checkpoint_at: int | None
    """When the newest checkpoint was signed, ns since the epoch."""


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """The log of `size` entries begins with that of `old_size`."""

    old_size: int
    size: int
    hashes: tuple[Digest, ...]


class LogStores(AnchorStores, CitingStores, Protocol):
    """The log with its anchors, and what its entries cite."""


@dataclass(frozen=True, slots=True)
class AuditService:
    """Answers from one snapshot each, so that sizes always match."""

    unit_of_work: UnitOfWork[LogStores]

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

    async def progress(self) -> SequencingProgress:
        """Return how far the log is sequenced."""

        async def work(stores: AnchorStores) -> SequencingProgress:
            newest = await stores.audit.checkpoint()
            at = None if newest is None else newest.time
            return SequencingProgress(await stores.audit.waiting(), at)

        return await self.unit_of_work.read(work)

    async def published(self, size: int | None = None) -> StoredCheckpoint:
        """Return the checkpoint of this size, or the newest. Raises UnknownCheckpointError."""
        return await self.unit_of_work.read(partial(_published, size))

    async def handovers(self) -> tuple[bytes, ...]:
        """Return the handover notes between the keys of the newest log, oldest first.

        Raises UnknownCheckpointError.
        """

        async def work(stores: AuditStores) -> tuple[bytes, ...]:
            signed = SignedCheckpoint.parse((await _published(None, stores)).note)
            return (await KeyState.read(stores.audit)).handovers_of(signed.checkpoint.origin)

        return await self.unit_of_work.read(work)

    async def tiles(self, wanted: Sequence[Tile]) -> Mapping[Tile, bytes]:
        """Return the contents of tiles. Raises HashMissingError for the first that is not there.

        What was read once never changes.
        """
        stored = await self.unit_of_work.read(lambda stores: stores.audit.tiles(wanted))
        if missing := [tile for tile in wanted if tile not in stored]:
            raise HashMissingError(missing[0].path)
        return stored

    async def bundle(
        self, index: int, key: VerifierKey | None = None, *, size: int | None = None
    ) -> Bundle:
        """Return an entry with its proof in the checkpoint of this size.

        Without a size: the smallest whose anchor is final, with the receipt; else the newest
        checkpoint. Raises UnknownEntryError, UnknownCheckpointError.
        """

        async def work(stores: AnchorStores) -> Bundle:
            anchored = None if size else await _covering(index, stores)
            wanted = size if anchored is None else anchored.size
            published = await _published(wanted, stores)
            signed = SignedCheckpoint.parse(published.note)
            covered = signed.checkpoint.size
            entry = await stores.audit.entry(index) if 0 <= index < covered else None
            if entry is None:
                raise UnknownEntryError(index, covered)
            stored = await stored_hashes(stores.audit, inclusion_nodes(index, covered), covered)
            proof = inclusion_proof(index, covered, stored)
            state = await KeyState.read(stores.audit)
            handovers = state.handovers_of(signed.checkpoint.origin)
            return Bundle(
                index,
                entry.leaf,
                proof,
                signed,
                _payload(entry),
                key,
                handovers,
                None if anchored is None else anchored.receipt,
                published.time,
            )

        return await self.unit_of_work.read(work)

    async def consistency(self, old_size: int, size: int | None = None) -> ConsistencyProof:
        """Return the proof that the log of `size` entries, or the newest, extends `old_size`.

        Raises BadRangeError.
        """

        async def work(stores: AuditStores) -> ConsistencyProof:
            newest = await stores.audit.size()
            new_size = newest if size is None else size
            if not 0 < old_size <= new_size <= newest:
                raise BadRangeError(
                    f"The sizes {old_size} and {new_size} must be ascending, from 1 to {newest}."
                )
            nodes = consistency_nodes(old_size, new_size)
            stored = await stored_hashes(stores.audit, nodes, new_size)
            return ConsistencyProof(
                old_size, new_size, consistency_proof(old_size, new_size, stored)
            )

        return await self.unit_of_work.read(work)

    async def difference(self, earlier: Checkpoint, newest: Checkpoint) -> str | None:
        """Return why the log of the newest checkpoint does not extend an earlier one, or None."""
        return await self.unit_of_work.read(
            lambda stores: difference(stores.audit, earlier, newest)
        )

    async def key_state(self) -> KeyState:
        """Return what decides which key signs the log."""
        return await self.unit_of_work.read(lambda stores: KeyState.read(stores.audit))

    async def index_of(self, leaf: bytes) -> int | None:
        """Return where the log has an entry with this leaf's data, or None.

        Raises AuditFormatError if it is no entry.
        """
        told = Entry.parse(leaf)
        wanted = EntryFilter(
            told.actor.id,
            told.action,
            told.object_id,
            since=told.time_ns,
            until=told.time_ns + NS_PER_MICROSECOND,
        )
        same_time = await self.unit_of_work.read(
            lambda stores: stores.audit.entries(wanted, _SAME_TIME)
        )
        return next((entry.index for entry in same_time if entry.leaf == leaf), None)

    async def anchored(self, tx_hash: str) -> Anchored | None:
        """Return the checkpoint that a transaction anchored; None: it anchored none of this log.

        `tx_hash` is 0x and lower-case hexadecimal. A transaction without a receipt yet anchors
        nothing; one with a receipt need not be final.
        """
        found = await self.unit_of_work.read(lambda stores: stores.anchors.of_transaction(tx_hash))
        anchored = None if found is None else _anchored(found)
        return anchored if anchored and anchored.receipt.tx_hash == tx_hash else None

    async def check(
        self,
        key: VerifierKey | None = None,
        tell: Tell = nobody,
        remembered: bytes | None = None,
    ) -> tuple[int, tuple[Disagreement, ...]]:
        """Derive everything again from the entries; return their number, and what differs.

        See `check_log`; `tell` is called with the progress.
        """
        return await check_log(self.unit_of_work, key, tell, remembered)


async def _published(size: int | None, stores: AuditStores) -> StoredCheckpoint:
    found = await stores.audit.checkpoint(size)
    if found is None:
        raise UnknownCheckpointError(size)
    return found


async def _covering(index: int, stores: AnchorStores) -> Anchored | None:
    """Return the smallest checkpoint with this entry whose anchor is final."""
    anchor = await stores.anchors.covering(index)
    return None if anchor is None else _anchored(anchor)


def _anchored(anchor: Anchor) -> Anchored | None:
    return None if anchor.receipt is None else Anchored(anchor.size, anchor.receipt.anchored)


def _payload(entry: StoredEntry) -> DisclosedPayload | None:
    if entry.payload is None or entry.salt is None:
        return None
    return DisclosedPayload(entry.payload, entry.salt)
