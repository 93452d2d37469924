"""The port of the stored log: entries as they were appended, their order, tiles and checkpoints."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from agentguard.audit.entries import SealedEntry
from agentguard.audit.tiles import Tile

EXPIRED, PAYLOADS = "data.expired", "audit_payloads"
"""Action and object of the entries that tell of removed payloads."""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry in the database."""

    row: int
    """In the order of appending; not the index in the log."""
    index: int | None
    """In the log; None: not sequenced yet."""
    leaf: bytes
    payload: bytes | None
    """None: removed, together with the salt."""
    salt: bytes | None
    columns: FilterColumns | None = None
    """What lists are filtered by; stored beside the leaf, which decides."""


@dataclass(frozen=True, slots=True)
class FilterColumns:
    """Copies of parts of the leaf."""

    time: int
    """ns since the epoch, cut to microseconds."""
    actor: str
    action: str
    object: str | None


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries a list shows; nothing set = all."""

    actor: str | None = None
    action: str | None = None
    object: str | None = None
    since: int | None = None
    """ns since the epoch, inclusive."""
    until: int | None = None
    """ns since the epoch, exclusive."""
    before: int | None = None
    """Only entries with smaller indexes, so the last index of a page gives the next page."""
    incident: str | None = None
    """Id of an incident: only its entries."""


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint that was published."""

    size: int
    note: bytes
    """A signed note."""
    time: int
    """When it was signed, ns since the epoch."""


class AppendedLeaf(NamedTuple):
    """An entry that waits to be sequenced."""

    row: int
    leaf: bytes


@dataclass(frozen=True, slots=True)
class StoredPayloads:
    """What the payloads that have not been removed occupy."""

    number: int
    bytes: int
    oldest: int | None
    """ns since the epoch; None if there are none."""


class StoredAnchor(NamedTuple):
    """A final anchor; numbers as text, as a changed row may hold anything."""

    size: int
    """Of the checkpoint."""
    chain_id: str
    block: str
    tx_hash: str
    block_hash: str


class Marked(NamedTuple):
    """The entries for which `audit_logs` names one transaction."""

    tx_hash: str
    first: int
    end: int
    """One more than the largest index."""
    number: int


class AuditLog(Protocol):
    """The log in the database.

    Every method runs in the caller's transaction: what it changes is durable once that commits.
    Those that read raise UnreadableLogError where a value is not of its column's type, which SQLite
    lets others store.
    """

    async def append(self, entries: Sequence[SealedEntry]) -> None:
        """Store entries, in order and in one statement, without places in the log yet."""

    async def newest(self, action: str, actor: str | None = None) -> StoredEntry | None:
        """Return what was appended last about this action, sequenced or not."""

    async def unsequenced(self, most: int) -> tuple[StoredEntry, ...]:
        """Return the entries without an index, in the order of appending."""

    async def unsequenced_leaves(self, most: int) -> tuple[AppendedLeaf, ...]:
        """Return the same entries, only with what sequencing needs."""

    async def sequence(self, rows: Sequence[int], first: int) -> None:
        """Give the entries of these rows the indexes from `first` on."""

    async def project(self, leaves: Sequence[bytes], first: int) -> None:
        """Enter sequenced leaves in `audit_logs`; `first` is the index of the first.

        That table is for people who query the database; nothing is proved by it.
        """

    async def mark_anchored(self, first: int, end: int, tx_hash: str) -> None:
        """Name the transaction in `audit_logs` for the entries from `first` to before `end`.

        Those that have one keep it.
        """

    async def prove_incidents(self, first: int, end: int, proof: Mapping[str, Any]) -> None:
        """Set `incidents.blockchain_proof` where one of these entries is about the incident.

        `proof` is JSON, as `audit.documents.receipt_document` makes it. For people who query the
        database, as `audit_logs` is.
        """

    async def is_unmarked(self, index: int) -> bool:
        """Return whether the row of this entry in `audit_logs` names no transaction."""

    async def holds_others(self, first: int, end: int, actions: Collection[str]) -> bool:
        """Return whether an entry from `first` to before `end` has another action than these."""

    async def size(self) -> int:
        """Return the number of sequenced entries."""

    async def waiting(self) -> int:
        """Return the number of entries without an index."""

    async def tiles(self, wanted: Collection[Tile]) -> Mapping[Tile, bytes]:
        """Return the contents of these tiles, without those that are not stored in this width."""

    async def put_tiles(self, tiles: Mapping[Tile, bytes]) -> None:
        """Store tiles; a wider one replaces a narrower one of the same place."""

    async def checkpoint(self, size: int | None = None) -> StoredCheckpoint | None:
        """Return the checkpoint of this size, or the newest one."""

    async def checkpoints(self, after: int, until: int) -> tuple[StoredCheckpoint, ...]:
        """Return the checkpoints of sizes above `after`, up to `until`, smallest first."""

    async def put_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        """Store a checkpoint of a new size; raise ValueError if its size is not new."""

    async def marks(self) -> tuple[Marked, ...]:
        """Return for which entries `audit_logs` names transactions; reads all of it."""

    async def final_anchors(self) -> tuple[StoredAnchor, ...]:
        """Return the anchors that are stored as final."""

    async def misprojected(self, leaves: Sequence[bytes], first: int) -> tuple[int, ...]:
        """Return the indexes of leaves whose rows in `audit_logs` are not what `project` made.

        `first` is the index of the first leaf.
        """

    async def unowned_rows(self) -> int:
        """Return the number of rows in `audit_logs` with indexes that no entry has."""

    async def handovers(self) -> tuple[bytes, ...]:
        """Return the handover notes between keys, oldest first."""

    async def put_handover(self, note: bytes, time: int) -> None:
        """Store a handover note after all others; `time` is ns since the epoch."""

    async def put_note(self, size: int, note: bytes) -> None:
        """Replace the note of a stored checkpoint by one with more signatures."""

    async def entry(self, index: int) -> StoredEntry | None:
        """Return the entry at this index."""

    async def entries(self, wanted: EntryFilter, limit: int) -> tuple[StoredEntry, ...]:
        """Return sequenced entries, newest first."""

    async def payloads(self) -> StoredPayloads:
        """Return what payloads occupy; reads all of them."""

    async def remove_payloads(
        self, before: int, *, most: int, kept: Collection[str]
    ) -> tuple[int, ...]:
        """Remove payloads and salts of sequenced entries, the oldest first; return the indexes.

        `before`: only of entries that are older, ns since the epoch. Entries with the actions
        `kept`, and those about removed payloads, keep theirs.
        """

    async def range(self, first: int, end: int) -> tuple[StoredEntry, ...]:
        """Return the entries with the indexes from `first` to before `end`, in order."""


class CitedDocuments(Protocol):
    """Stored documents that entries cite by their hash."""

    async def sha256(self, document_id: str, /) -> str | None:
        """Return the SHA-256 of a document, in hex; None: it is not kept."""


class AuditStores(Protocol):
    """What a use case needs that leaves an entry."""

    @property
    def audit(self) -> AuditLog: ...


class CitingStores(AuditStores, Protocol):
    """The log, and what its entries cite."""

    @property
    def graphs(self) -> CitedDocuments: ...

    @property
    def jobs(self) -> CitedDocuments: ...

    @property
    def simulations(self) -> CitedDocuments: ...
