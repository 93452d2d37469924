"""Hashes of a tree in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agentguard.audit.errors import HashMissingError
from agentguard.audit.merkle import Digest, HashReader, Node
from agentguard.audit.tiles import Tile


@dataclass(frozen=True)
class StoredHashes:
    """A HashReader over hashes in memory."""

    hashes: Mapping[Node, Digest]

    def hash_of(self, node: Node) -> Digest:
        try:
            return self.hashes[node]
        except KeyError:
            place = f"the hash of subtree {node.number} at level {node.level}"
            raise HashMissingError(place) from None


def tile_bytes(tile: Tile, stored: HashReader) -> bytes:
    return b"".join(stored.hash_of(node) for node in tile.nodes())
