"""Reads hashes of the stored tree, and compares it with an earlier state."""

from __future__ import annotations

from collections.abc import Sequence

from agentguard.audit.checkpoints import Checkpoint
from agentguard.audit.errors import HashMissingError, VerificationFailedError
from agentguard.audit.merkle import (
    HashReader,
    Node,
    consistency_nodes,
    consistency_proof,
    verify_consistency,
)
from agentguard.audit.store import AuditLog
from agentguard.audit.tiles import TileHashes, parse_tile, tiles_of


async def stored_hashes(log: AuditLog, nodes: Sequence[Node], size: int) -> HashReader:
    """Return a reader of these nodes of the tree of this size."""
    contents = await log.tiles(tiles_of(nodes, size))
    return TileHashes(size, {tile: parse_tile(tile, raw) for tile, raw in contents.items()})


async def difference(log: AuditLog, earlier: Checkpoint, newest: Checkpoint) -> str | None:
    """Return why the log of the newest checkpoint does not extend an earlier one; None: it does.

    Proved from the stored tiles against both root hashes, so tiles that were changed do not help.
    """
    if newest.size < earlier.size:
        return f"the earlier log has {earlier.size:,} entries, this one {newest.size:,}"
    if earlier.size in (newest.size, 0):
        same = earlier.size == 0 or newest.root == earlier.root
        return None if same else "this one has another root hash"
    nodes = consistency_nodes(earlier.size, newest.size)
    try:
        hashes = await stored_hashes(log, nodes, newest.size)
        proof = consistency_proof(earlier.size, newest.size, hashes)
        verify_consistency(earlier.size, earlier.root, newest.size, newest.root, proof)
    except (HashMissingError, VerificationFailedError):
        return "this one has another root hash"
    return None
