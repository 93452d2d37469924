"""Gives appended entries their places in the log, and signs the log's new state.

Appending and sequencing are two steps: use cases append in their own transactions, in any number
of processes and without a shared counter; one process at a time sequences what was committed. One
transaction holds indexes, tiles and checkpoint, so a crash leaves all of them or none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentguard.audit.checkpoints import Checkpoint, SignedCheckpoint
from agentguard.audit.errors import HashMissingError, VerificationFailedError
from agentguard.audit.keys import SigningKey, VerifierKey
from agentguard.audit.merkle import EMPTY_ROOT, Digest, HashReader, Node, leaf_hash, root
from agentguard.audit.store import AuditLog, AuditStores, StoredCheckpoint, StoredEntry
from agentguard.audit.tiles import Tile, TileHashes, edge_tiles, grow, parse_tile, tiles_of
from agentguard.kernel.clock import Clock
from agentguard.kernel.errors import ConflictError
from agentguard.unit_of_work import UnitOfWork

_MOST = 1000
"""Entries per transaction."""
_EMPTY = Checkpoint("", 0, EMPTY_ROOT)
"""Stands for the checkpoint of a log that has none yet."""


class ForeignLogError(ConflictError):
    """The log in the database is signed by another key."""

    code = "audit-key-differs"

    def __init__(self, origin: str, own: VerifierKey) -> None:
        super().__init__(
            f"The audit log in the database is {origin!r}, and its newest checkpoint is not signed"
            f" by this key: {own.key_id.hex()} of {own.name!r}. Set AGENTGUARD_AUDIT_KEY_FILE to"
            " the key of the first server; entries wait until then."
        )


class DamagedLogError(ConflictError):
    """Size or tiles of the stored log are not those of the newest checkpoint."""

    code = "audit-log-damaged"

    def __init__(self, size: int) -> None:
        super().__init__(
            f"The stored audit log is not the one that was signed at size {size:,}."
            " Run `agentguard audit fsck` and restore the database from a backup; new entries wait"
            " until then."
        )


@dataclass(frozen=True, slots=True)
class Sequencer:
    """Extends the log; only one process at a time may run it."""

    unit_of_work: UnitOfWork[AuditStores]
    key: SigningKey
    clock: Clock

    async def run_once(self) -> int:
        """Sequence everything that is appended; return how many entries that were.

        Raises ForeignLogError, DamagedLogError, UnavailableError.
        """
        total = 0
        while done := await self.unit_of_work.run(self._extend):
            total += done
        return total

    async def _extend(self, stores: AuditStores) -> int:
        newest = await stores.audit.checkpoint()
        signed = _EMPTY if newest is None else self._own(SignedCheckpoint.parse(newest.note))
        appended = await stores.audit.unsequenced(_MOST)
        if appended:
            await self._append(stores.audit, signed, appended)
        return len(appended)

    async def _append(
        self, log: AuditLog, signed: Checkpoint, appended: Sequence[StoredEntry]
    ) -> None:
        """Append entries to the tree, store its tiles, and sign a checkpoint of it."""
        size, edge = signed.size, await _edge_of(log, signed)
        grown = grow(size, edge, [leaf_hash(entry.leaf) for entry in appended])
        await log.put_tiles(grown.tiles)
        await log.sequence([entry.row for entry in appended], size)
        await log.project(appended, size)
        note = Checkpoint(self.key.name, grown.size, grown.root).signed(self.key).encode()
        await log.put_checkpoint(StoredCheckpoint(grown.size, note, self.clock()))

    def _own(self, signed: SignedCheckpoint) -> Checkpoint:
        """Return the checkpoint, which this key must have signed."""
        try:
            signed.verify([self.key.verifier])
        except VerificationFailedError:
            raise ForeignLogError(signed.checkpoint.origin, self.key.verifier) from None
        return signed.checkpoint


async def _edge_of(log: AuditLog, signed: Checkpoint) -> Mapping[Tile, Sequence[Digest]]:
    """Return the edge tiles of a signed tree. Raises DamagedLogError if they are others."""
    stored = await log.tiles(edge_tiles(signed.size))
    edge = {tile: parse_tile(tile, raw) for tile, raw in stored.items()}
    try:
        found = root(signed.size, TileHashes(signed.size, edge))
    except HashMissingError:
        raise DamagedLogError(signed.size) from None
    if found != signed.root or await log.size() != signed.size:
        raise DamagedLogError(signed.size)
    return edge


async def stored_hashes(log: AuditLog, nodes: Sequence[Node], size: int) -> HashReader:
    """Return a reader of these nodes of the tree of this size."""
    contents = await log.tiles(tiles_of(nodes, size))
    return TileHashes(size, {tile: parse_tile(tile, raw) for tile, raw in contents.items()})
