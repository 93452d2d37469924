"""Gives appended entries their places in the log, and signs the log's new state.

Appending and sequencing are two steps: use cases append in their own transactions, in any number
of processes and without a shared counter; one process at a time sequences what was committed. One
transaction holds indexes, tiles and checkpoint, so a crash leaves all of them or none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from agentguard.audit.checkpoints import Checkpoint
from agentguard.audit.errors import HashMissingError
from agentguard.audit.key_state import KeyState
from agentguard.audit.keys import SigningKey
from agentguard.audit.merkle import EMPTY_ROOT, Digest, HashReader, Node, leaf_hash, root
from agentguard.audit.store import AppendedLeaf, AuditLog, AuditStores, StoredCheckpoint
from agentguard.audit.tiles import Tile, TileHashes, edge_tiles, grow, parse_tile, tiles_of
from agentguard.kernel.clock import Clock
from agentguard.kernel.errors import ConflictError
from agentguard.unit_of_work import UnitOfWork

_MOST = 1000
"""Entries per transaction."""
_EMPTY = Checkpoint("", 0, EMPTY_ROOT)
"""Stands for the checkpoint of a log that has none yet."""


class DamagedLogError(ConflictError):
    """Size or tiles of the stored log are not those of the newest checkpoint."""

    code = "audit-log-damaged"

    def __init__(self, size: int) -> None:
        super().__init__(
            f"The stored audit log is not the one that was signed at size {size:,}."
            " Run `agentguard audit fsck` and restore the database from a backup; new entries wait"
            " until then."
        )


def _no_keys() -> Sequence[SigningKey]:
    return ()


@dataclass(frozen=True, slots=True)
class Sequencer:
    """Extends the log; only one process at a time may run it."""

    unit_of_work: UnitOfWork[AuditStores]
    key: SigningKey
    clock: Clock
    reload: Callable[[], Sequence[SigningKey]] = _no_keys
    """Returns all keys that this process can read; asked once `key` has been replaced."""

    async def run_once(self) -> int:
        """Sequence everything that is appended; return how many entries that were.

        Raises ForeignLogError, KeyReplacedError, DamagedLogError, UnavailableError.
        """
        state, waiting = await self.unit_of_work.read(_state)
        key = await self._current_key(state)
        total = 0
        while total < waiting and (done := await self.unit_of_work.run(partial(self._extend, key))):
            total += done
        return total

    async def _current_key(self, state: KeyState) -> SigningKey:
        try:
            return state.choose([self.key])
        except ConflictError:
            return state.choose([self.key, *await asyncio.to_thread(self.reload)])

    async def _extend(self, key: SigningKey, stores: AuditStores) -> int:
        newest = (await KeyState.read(stores.audit)).check(key.verifier)
        signed = _EMPTY if newest is None else newest.checkpoint
        appended = await stores.audit.unsequenced_leaves(_MOST)
        if appended:
            await extend(stores.audit, signed, appended, key, self.clock())
        return len(appended)


async def _state(stores: AuditStores) -> tuple[KeyState, int]:
    return await KeyState.read(stores.audit), await stores.audit.waiting()


async def extend(
    log: AuditLog, signed: Checkpoint, appended: Sequence[AppendedLeaf], key: SigningKey, now: int
) -> None:
    """Append entries to the tree that was signed, store its tiles, and sign a checkpoint of it.

    Raises DamagedLogError.
    """
    size, edge = signed.size, await _edge_of(log, signed)
    grown = grow(size, edge, [leaf_hash(entry.leaf) for entry in appended])
    await log.put_tiles(grown.tiles)
    await log.sequence([entry.row for entry in appended], size)
    await log.project([entry.leaf for entry in appended], size)
    note = Checkpoint(key.name, grown.size, grown.root).signed(key).encode()
    await log.put_checkpoint(StoredCheckpoint(grown.size, note, now))


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
