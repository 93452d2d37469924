"""Watches a log: what it shows now must extend what it showed before."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Protocol

from agentguard.audit.checkpoints import Checkpoint, SignedCheckpoint
from agentguard.audit.errors import AuditFormatError, HashMissingError, VerificationFailedError
from agentguard.audit.handovers import KeyChain
from agentguard.audit.merkle import (
    DIGEST_BYTES,
    Digest,
    Node,
    Range,
    complete_subtrees,
    consistency_nodes,
    consistency_proof,
    inclusion_nodes,
    inclusion_proof,
    root,
    verify_consistency,
    verify_inclusion,
)
from agentguard.audit.notes import NOTE_LIMIT_BYTES
from agentguard.audit.tiles import (
    CHECKPOINT_PATH,
    FULL_WIDTH,
    Tile,
    TileHashes,
    handover_path,
    parse_tile,
    tiles_of,
)
from agentguard.kernel.errors import UnavailableError

MOST_BYTES = NOTE_LIMIT_BYTES
"""That are read of one published file."""
MOST_HANDOVERS = 100
"""That are read of one log."""
SPOTS = 4
"""Tiles of leaves that one look checks against the root hash, with all tiles above them."""


class LogSource(Protocol):
    """A source of a log's published files: a URL or a folder."""

    def read(self, path: str) -> bytes:
        """Return the file at a path below the log's prefix: `checkpoint`, `tile/0/000`.

        Raises HashMissingError where there is none, UnavailableError where the log is out of
        reach or the file exceeds `MOST_BYTES`.
        """


class Finding(StrEnum):
    """What a look at a log found."""

    FIRST_SEEN = "first seen"
    UNCHANGED = "unchanged"
    GROWN = "grown"
    ROLLBACK = "rollback"
    """The log is smaller than it was."""
    FORK = "fork"
    """The log is not the one that it was: an entry was changed, removed or moved."""
    FOREIGN = "foreign"
    """The checkpoint is not signed by the log's key, or is of another log."""
    BROKEN = "broken"
    """The tiles do not have the root hash of the checkpoint: damaged, or changed afterwards."""
    NOT_CHECKABLE = "not checkable"
    """Something needed is missing, malformed or out of reach."""


ALARMS = frozenset({Finding.ROLLBACK, Finding.FORK, Finding.FOREIGN, Finding.BROKEN})
"""What no honest log shows."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at a log."""

    finding: Finding
    detail: str
    note: bytes | None
    """The checkpoint that was shown, where it could be read: evidence of a fork."""
    remembered: bytes | None
    """The signed checkpoint to remember until the next look: only ever one that was checked."""


class _FoundError(Exception):
    def __init__(self, finding: Finding, detail: str) -> None:
        super().__init__(detail)
        self.finding = finding


def shown_root(source: LogSource, size: int) -> Digest:
    """Return the root hash of the tree of this size that the tiles give.

    Raises AuditFormatError, HashMissingError, UnavailableError.
    """
    return root(size, _fetched(source, (), size))


def published_handovers(source: LogSource) -> tuple[bytes, ...]:
    """Return the handover notes that a log publishes, nothing of them checked.

    Raises UnavailableError.
    """
    found: list[bytes] = []
    with suppress(HashMissingError):
        found.extend(source.read(handover_path(number)) for number in range(MOST_HANDOVERS))
    return tuple(found)


def observe(
    source: LogSource, keys: KeyChain, remembered: bytes | None, chance: Random | None = None
) -> Observation:
    """Look at a log once and compare it with the signed checkpoint that was remembered.

    Reads the checkpoint and the O(log n) tiles of the right edge, which must have the root hash;
    with `chance`, also tiles of leaves that it picks. `remembered` comes from an earlier
    observation and is trusted; AuditFormatError is raised if it is malformed.
    """
    known = None if remembered is None else SignedCheckpoint.parse(remembered).checkpoint
    note: bytes | None = None
    try:
        note = source.read(CHECKPOINT_PATH)
        shown = _signed_by_log(note, keys)
        finding, detail = _compare(source, known, shown)
        if chance is not None:
            _check_spots(source, shown, chance)
    except _FoundError as found:
        return Observation(found.finding, str(found), note, remembered)
    except (AuditFormatError, HashMissingError, UnavailableError) as error:
        return Observation(Finding.NOT_CHECKABLE, str(error), note, remembered)
    return Observation(finding, detail, note, note)


def _signed_by_log(note: bytes, keys: KeyChain) -> Checkpoint:
    signed = SignedCheckpoint.parse(note)
    try:
        keys.verify(signed)
    except VerificationFailedError as error:
        hint = "after a change of keys, give the handover note (--handover) or the new key"
        raise _FoundError(Finding.FOREIGN, f"{error.reason}; {hint}") from None
    return signed.checkpoint


def _compare(source: LogSource, known: Checkpoint | None, shown: Checkpoint) -> tuple[Finding, str]:
    if known is None:
        _check_root(shown_root(source, shown.size), shown)
        return Finding.FIRST_SEEN, f"first look at {shown.origin}: size {shown.size}"
    if difference := _replaced(known, shown):
        raise difference
    if shown.size == known.size:
        _check_root(shown_root(source, shown.size), shown)
        return Finding.UNCHANGED, f"the log still has {shown.size} entries"
    nodes = consistency_nodes(known.size, shown.size) if known.size else ()
    hashes = _fetched(source, nodes, shown.size)
    _check_root(root(shown.size, hashes), shown)
    _check_extension(hashes, known, shown)
    return Finding.GROWN, f"the log grew from {known.size} to {shown.size} entries"


def _replaced(known: Checkpoint, shown: Checkpoint) -> _FoundError | None:
    """Return what a checkpoint alone tells about a log that is not what it was."""
    if shown.origin != known.origin:
        detail = f"the checkpoint is of {shown.origin!r}, not of {known.origin!r}"
        return _FoundError(Finding.FOREIGN, detail)
    if shown.size < known.size:
        return _FoundError(
            Finding.ROLLBACK,
            f"rollback: the log has {shown.size} entries and had {known.size}: an old checkpoint"
            " is replayed, or entries were removed",
        )
    if shown.size == known.size and shown.root != known.root:
        detail = f"fork: two signed checkpoints of size {shown.size} have different root hashes"
        return _FoundError(Finding.FORK, detail)
    return None


def _check_root(found: Digest, shown: Checkpoint) -> None:
    if found != shown.root:
        raise _broken(shown)


def _check_spots(source: LogSource, shown: Checkpoint, chance: Random) -> None:
    """Check tiles of leaves: the proof of one leaf is computed from all hashes of its tile."""
    tiles = range(-(-shown.size // FULL_WIDTH))
    leaves = [tile * FULL_WIDTH for tile in chance.sample(tiles, min(SPOTS, len(tiles)))]
    proven = [node for leaf in leaves for node in inclusion_nodes(leaf, shown.size)]
    hashes = _fetched(source, [*proven, *(Node(0, leaf) for leaf in leaves)], shown.size)
    for leaf in leaves:
        proof = inclusion_proof(leaf, shown.size, hashes)
        try:
            verify_inclusion(hashes.hash_of(Node(0, leaf)), leaf, shown.size, proof, shown.root)
        except VerificationFailedError:
            raise _broken(shown) from None


def _broken(shown: Checkpoint) -> _FoundError:
    return _FoundError(
        Finding.BROKEN,
        f"the tiles do not have the root hash of the checkpoint of size {shown.size}: they are"
        " damaged, or were changed after it was signed",
    )


def _check_extension(hashes: TileHashes, known: Checkpoint, shown: Checkpoint) -> None:
    if known.size == 0:
        return
    proof = consistency_proof(known.size, shown.size, hashes)
    try:
        verify_consistency(known.size, known.root, shown.size, shown.root, proof)
    except VerificationFailedError as error:
        raise _FoundError(
            Finding.FORK,
            f"fork: the log of {shown.size} entries does not extend the log of {known.size} that"
            f" was seen before ({error.reason})",
        ) from None


def _fetched(source: LogSource, nodes: Iterable[Node], size: int) -> TileHashes:
    """Return the tiles that hold these nodes, and those that give the root of the tree."""
    needed = tiles_of((*nodes, *complete_subtrees(Range(0, size))), size)
    return TileHashes(size, {tile: parse_tile(tile, _content(source, tile)) for tile in needed})


def _content(source: LogSource, tile: Tile) -> bytes:
    """Return a tile's content; a log may delete a partial tile once the full one is there."""
    try:
        return source.read(tile.path)
    except HashMissingError:
        if tile == tile.full:
            raise
    full = parse_tile(tile.full, source.read(tile.full.path))
    return full[: tile.width * DIGEST_BYTES]
