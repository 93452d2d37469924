"""Gives appended entries their places in the log, and signs the log's new state.

Appending and sequencing are two steps: use cases append in their own transactions, in any number
of processes and without a shared counter; one process at a time sequences what was committed. One
transaction holds indexes, tiles and checkpoint, so a crash leaves all of them or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agentguard.audit.checkpoints import Checkpoint, SignedCheckpoint
from agentguard.audit.keys import SigningKey
from agentguard.audit.merkle import HashReader, Node, leaf_hash
from agentguard.audit.store import AuditLog, AuditStores, StoredCheckpoint, StoredEntry
from agentguard.audit.tiles import TileHashes, edge_tiles, grow, parse_tile, tiles_of
from agentguard.kernel.clock import Clock
from agentguard.kernel.errors import ConflictError
from agentguard.unit_of_work import UnitOfWork

_MOST = 1000
"""Entries per transaction."""


class ForeignLogError(ConflictError):
    """The log in the database is signed by another key."""

    code = "audit-key-differs"

    def __init__(self, origin: str, own: str) -> None:
        super().__init__(
            f"The audit log in the database is {origin!r}, but this key signs {own!r}. Set"
            " AGENTGUARD_AUDIT_KEY_FILE to the key of the first server; entries wait until then."
        )


@dataclass(frozen=True, slots=True)
class Sequencer:
    """Extends the log; only one process at a time may run it."""

    unit_of_work: UnitOfWork[AuditStores]
    key: SigningKey
    clock: Clock

    async def run_once(self) -> int:
        """Sequence everything that is appended; return how many entries that were.

        Raises ForeignLogError, UnavailableError.
        """
        total = 0
        while done := await self.unit_of_work.run(self._extend):
            total += done
        return total

    async def _extend(self, stores: AuditStores) -> int:
        newest = await stores.audit.checkpoint()
        origin = None if newest is None else SignedCheckpoint.parse(newest.note).checkpoint.origin
        if origin is not None and origin != self.key.name:
            raise ForeignLogError(origin, self.key.name)
        appended = await stores.audit.unsequenced(_MOST)
        if appended:
            await extend(stores.audit, appended, self.key, self.clock())
        return len(appended)


async def extend(
    log: AuditLog, appended: Sequence[StoredEntry], key: SigningKey, now: int
) -> Checkpoint:
    """Append entries to the tree, store its tiles, and sign a checkpoint of it."""
    size = await log.size()
    stored = await log.tiles(edge_tiles(size))
    edge = {tile: parse_tile(tile, raw) for tile, raw in stored.items()}
    grown = grow(size, edge, [leaf_hash(entry.leaf) for entry in appended])
    await log.put_tiles(grown.tiles)
    await log.sequence([entry.row for entry in appended], size)
    checkpoint = Checkpoint(key.name, grown.size, grown.root)
    note = checkpoint.signed(key).encode()
    await log.put_checkpoint(StoredCheckpoint(checkpoint.size, note, now))
    return checkpoint


async def stored_hashes(log: AuditLog, nodes: Sequence[Node], size: int) -> HashReader:
    """Return a reader of these nodes of the tree of this size."""
    contents = await log.tiles(tiles_of(nodes, size))
    return TileHashes(size, {tile: parse_tile(tile, raw) for tile, raw in contents.items()})
