"""Reads the audit log: entries, proofs, bundles, and whether all of it agrees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from agentguard.audit.bundles import Bundle, DisclosedPayload
from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.entries import Entry
from agentguard.audit.errors import AuditFormatError, HashMissingError, VerificationFailedError
from agentguard.audit.keys import VerifierKey
from agentguard.audit.merkle import (
    EMPTY_ROOT,
    Digest,
    consistency_nodes,
    consistency_proof,
    inclusion_nodes,
    inclusion_proof,
    leaf_hash,
)
from agentguard.audit.sequencing import stored_hashes
from agentguard.audit.store import AuditStores, EntryFilter, StoredCheckpoint, StoredEntry
from agentguard.audit.tiles import Growth, Tile, edge_tiles, grow, parse_tile
from agentguard.kernel.clock import NS_PER_MICROSECOND
from agentguard.kernel.errors import InvalidInputError, NotFoundError
from agentguard.unit_of_work import UnitOfWork

_CHECKED_AT_ONCE = 1000
"""Entries that are read per transaction while the log is checked."""

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
class ConsistencyProof:
    """The log of `size` entries begins with that of `old_size`."""

    old_size: int
    size: int
    hashes: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """What does not agree with the entries."""

    place: str
    problem: str


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

    async def published(self, size: int | None = None) -> StoredCheckpoint:
        """Return the checkpoint of this size, or the newest. Raises UnknownCheckpointError."""
        return await self.unit_of_work.read(partial(_published, size))

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
        """Return an entry with its proof in the checkpoint of this size, or in the newest one.

        Raises UnknownEntryError, UnknownCheckpointError.
        """

        async def work(stores: AuditStores) -> Bundle:
            signed = SignedCheckpoint.parse((await _published(size, stores)).note)
            covered = signed.checkpoint.size
            entry = await stores.audit.entry(index) if 0 <= index < covered else None
            if entry is None:
                raise UnknownEntryError(index, covered)
            stored = await stored_hashes(stores.audit, inclusion_nodes(index, covered), covered)
            proof = inclusion_proof(index, covered, stored)
            return Bundle(index, entry.leaf, proof, signed, _payload(entry), key)

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

    async def check(self) -> tuple[int, tuple[Disagreement, ...]]:
        """Derive tiles and checkpoint again from the entries; return their number, what differs.

        Ends at the first entry that is missing. What an adversary has changed and signed again is
        found only by those who remember an older checkpoint.
        """
        newest = await self.checkpoint()
        if newest is None:
            return 0, ()
        tree, found = _Tree(), list[Disagreement]()
        while tree.size < newest.size:
            end = min(tree.size + _CHECKED_AT_ONCE, newest.size)
            problems = await self._check_range(tree, end)
            found += problems
            if tree.size < end:
                return tree.size, tuple(found)
        found += await self.unit_of_work.read(partial(_edge_problems, tree))
        if tree.root != SignedCheckpoint.parse(newest.note).checkpoint.root:
            found.append(Disagreement("checkpoint", "its root hash is not that of the entries"))
        return tree.size, tuple(found)

    async def _check_range(self, tree: _Tree, end: int) -> list[Disagreement]:
        """Grow the tree by the entries to before `end`, unless one of them is missing."""
        entries, grown, differing = await self.unit_of_work.read(partial(_compared, tree, end))
        if grown is None:
            there = {entry.index for entry in entries}
            first = next(index for index in range(tree.size, end) if index not in there)
            return [Disagreement(f"entry {first}", "it is missing")]
        tree.take(grown)
        problems = [problem for entry in entries for problem in _payload_problems(entry)]
        return problems + [_differs(tile) for tile in differing]


async def _published(size: int | None, stores: AuditStores) -> StoredCheckpoint:
    found = await stores.audit.checkpoint(size)
    if found is None:
        raise UnknownCheckpointError(size)
    return found


_Compared: TypeAlias = tuple[tuple[StoredEntry, ...], Growth | None, list[Tile]]
"""Entries; the tree with them, or None if one is missing; the full tiles that differ."""


async def _compared(tree: _Tree, end: int, stores: AuditStores) -> _Compared:
    entries = await stores.audit.range(tree.size, end)
    if [entry.index for entry in entries] != list(range(tree.size, end)):
        return entries, None, []
    grown = tree.grown(entries)
    full = [tile for tile in grown.tiles if tile.width == tile.full.width]
    stored = await stores.audit.tiles(full)
    return entries, grown, [tile for tile in full if stored.get(tile) != grown.tiles[tile]]


async def _edge_problems(tree: _Tree, stores: AuditStores) -> list[Disagreement]:
    """Compare the partial tiles; where the log has grown since, their beginnings."""
    stored = await stores.audit.tiles(tree.edge)
    return [_differs(t) for t, hashes in tree.edge.items() if stored.get(t) != b"".join(hashes)]


def _differs(tile: Tile) -> Disagreement:
    return Disagreement(f"tile {tile.path}", "it differs from the entries")


@dataclass(slots=True)
class _Tree:
    """The tree of the entries that have been read."""

    size: int = 0
    root: Digest = EMPTY_ROOT
    edge: dict[Tile, tuple[Digest, ...]] = field(default_factory=dict)

    def grown(self, entries: Sequence[StoredEntry]) -> Growth:
        return grow(self.size, self.edge, [leaf_hash(entry.leaf) for entry in entries])

    def take(self, grown: Growth) -> None:
        kept = {tile: parse_tile(tile, raw) for tile, raw in grown.tiles.items()} | self.edge
        self.size, self.root = grown.size, grown.root
        self.edge = {tile: kept[tile] for tile in edge_tiles(grown.size)}


def _payload_problems(entry: StoredEntry) -> Iterator[Disagreement]:
    """Yield what is wrong with an entry by itself."""
    try:
        told = Entry.parse(entry.leaf)
        if entry.payload is not None and entry.salt is not None:
            told.check_payload(entry.payload, entry.salt)
    except (AuditFormatError, VerificationFailedError) as error:
        yield Disagreement(f"entry {entry.index}", str(error))


def _payload(entry: StoredEntry) -> DisclosedPayload | None:
    if entry.payload is None or entry.salt is None:
        return None
    return DisclosedPayload(entry.payload, entry.salt)
