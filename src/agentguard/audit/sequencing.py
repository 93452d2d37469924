"""Gives appended entries their places in the log, and signs the log's new state.

Appending and sequencing are two steps: use cases append in their own transactions, in any number
of processes and without a shared counter; one process at a time sequences what was committed. One
transaction holds indexes, tiles and checkpoint, so a crash leaves all of them or none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from agentguard.audit.checkpoints import Checkpoint, SignedCheckpoint
from agentguard.audit.errors import HashMissingError
from agentguard.audit.key_state import KeyState
from agentguard.audit.keys import SigningKey
from agentguard.audit.merkle import EMPTY_ROOT, leaf_hash, root
from agentguard.audit.store import AppendedLeaf, AuditLog, AuditStores, StoredCheckpoint
from agentguard.audit.stored_tree import difference
from agentguard.audit.tiles import Tile, TileHashes, edge_tiles, grow, parse_tile
from agentguard.kernel.clock import NS_PER_SECOND, Clock
from agentguard.kernel.errors import ConflictError
from agentguard.unit_of_work import UnitOfWork

_MOST = 10_000
"""Entries per transaction, and per checkpoint."""
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


class RewrittenLogError(ConflictError):
    """The stored log does not extend a checkpoint that was signed before."""

    code = "audit-log-rewritten"

    def __init__(self, size: int, place: str, problem: str) -> None:
        super().__init__(
            f"The stored audit log does not extend the checkpoint of size {size:,} that was signed"
            f" before ({place}): {problem}. Nothing more is signed. Find out who"
            " changed the database. If you have restored or exchanged it yourself, delete that"
            " file; whoever watches the log will report it."
        )


class CheckpointMemory(Protocol):
    """Keeps the newest signed checkpoint out of the database's reach, beside the key."""

    @property
    def place(self) -> str:
        """Where it is, for people."""

    def read(self) -> bytes | None:
        """Return the signed note; None: nothing was signed yet. Raises OSError."""

    def write(self, note: bytes) -> None:
        """Replace it: whole or not at all, durable on return. Raises OSError."""


def _no_keys() -> Sequence[SigningKey]:
    return ()


@dataclass(frozen=True, slots=True)
class Sequencer:
    """Extends the log; only one process at a time may run it."""

    unit_of_work: UnitOfWork[AuditStores]
    key: SigningKey | None
    """None: it is missing, and one that `reload` returns is taken as soon as there is one."""
    clock: Clock
    reload: Callable[[], Sequence[SigningKey]] = _no_keys
    """Returns all keys that this process can read; asked once `key` has been replaced."""
    memory: CheckpointMemory | None = None
    """None: an older state of the database would be signed as if it were the newest."""
    spacing_seconds: float = 0.0
    """At least this long after the newest checkpoint, by its stored time, is the next one signed;
    a time ahead of the clock does not count.
    """
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run_once(self) -> int:
        """Sequence everything that is appended; return how many entries that were.

        Raises MissingKeyError, ForeignLogError, KeyReplacedError, DamagedLogError,
        RewrittenLogError, UnavailableError, OSError.
        """
        state, waiting = await self.unit_of_work.read(_state)
        key = await self._current_key(state)
        if waiting:
            await self._check(await self._known())
        total = 0
        while total < waiting:
            await self._keep_distance()
            if not (done := await self.unit_of_work.run(partial(self._extend, key))):
                break
            total += done
        if total:
            await self._remember()
        return total

    async def follow(self) -> None:
        """Remember the newest checkpoint that another process has signed.

        One that no key of this process has signed, or may sign, is left alone. Raises
        RewrittenLogError, UnavailableError, OSError.
        """
        if self.memory is None:
            return
        # Read first: what it holds was in the database before.
        known = await self._known()
        state, _ = await self.unit_of_work.read(_state)
        if state.newest is None or _size(known) >= state.newest.size:
            return
        try:
            await self._current_key(state)
        except ConflictError:
            return
        await self._check(known)
        await asyncio.to_thread(self.memory.write, state.newest.note)

    async def _keep_distance(self) -> None:
        newest = await self.unit_of_work.read(lambda stores: stores.audit.checkpoint())
        if newest is not None:
            passed = (self.clock() - newest.time) / NS_PER_SECOND
            if 0 <= passed < self.spacing_seconds:
                await self.sleep(self.spacing_seconds - passed)

    async def _known(self) -> bytes | None:
        return None if self.memory is None else await asyncio.to_thread(self.memory.read)

    async def _check(self, note: bytes | None) -> None:
        """Refuse a log that is not the one of this note. Raises RewrittenLogError."""
        if self.memory is None or note is None:
            return
        signed = SignedCheckpoint.parse(note).checkpoint
        problem = await self.unit_of_work.read(partial(rewritten, signed))
        if problem is not None:
            raise RewrittenLogError(signed.size, self.memory.place, problem)

    async def _remember(self) -> None:
        newest = await self.unit_of_work.read(lambda stores: stores.audit.checkpoint())
        if self.memory is not None and newest is not None:
            await asyncio.to_thread(self.memory.write, newest.note)

    async def _current_key(self, state: KeyState) -> SigningKey:
        own = () if self.key is None else (self.key,)
        try:
            return state.choose(own)
        except ConflictError:
            return state.choose((*own, *await asyncio.to_thread(self.reload)))

    async def _extend(self, key: SigningKey, stores: AuditStores) -> int:
        newest = (await KeyState.read(stores.audit)).check(key.verifier)
        signed = _EMPTY if newest is None else newest.checkpoint
        appended = await stores.audit.unsequenced_leaves(_MOST)
        if appended:
            await extend(stores.audit, signed, appended, key, self.clock())
        return len(appended)


def _size(note: bytes | None) -> int:
    return 0 if note is None else SignedCheckpoint.parse(note).checkpoint.size


async def _state(stores: AuditStores) -> tuple[KeyState, int]:
    return await KeyState.read(stores.audit), await stores.audit.waiting()


async def rewritten(signed: Checkpoint, stores: AuditStores) -> str | None:
    """Return why the stored log does not extend a checkpoint that was signed; None: it does."""
    newest = await stores.audit.checkpoint()
    if newest is None:
        return "the log has no checkpoint"
    return await difference(stores.audit, signed, SignedCheckpoint.parse(newest.note).checkpoint)


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


async def _edge_of(log: AuditLog, signed: Checkpoint) -> Mapping[Tile, bytes]:
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
