"""Tiles: the files in which a log publishes its tree (C2SP tlog-tiles).

A tile holds up to 256 hashes of complete subtrees, side by side: of leaves at level 0, of full
tiles of the level below above that. The hashes between are computed from them. Entry bundles, which
would hold the entries, are not published: they are nobody's but the operator's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from agentguard.audit.errors import AuditFormatError, HashMissingError
from agentguard.audit.merkle import (
    DIGEST_BYTES,
    MAX_SIZE,
    Digest,
    Frontier,
    Node,
    Range,
    subtree_hash,
)

HEIGHT = 8
FULL_WIDTH = 1 << HEIGHT
CHECKPOINT_PATH = "checkpoint"
KEY_PATH = "key"
"""The log's public key, beside what C2SP defines: for those who trust it on first use."""
_HANDOVER_PATH = "handover/"

_LEVELS = 64
_REMEMBERED = 1024
"""Subtree hashes, of at most 8 KiB each."""
_PATH = re.compile(r"tile/(\d{1,2})/((?:x\d{3}/){0,6})(\d{3})(?:\.p/(\d{1,3}))?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """Hashes `number * 256` to `number * 256 + width - 1` of a level of tiles."""

    level: int
    number: int
    width: int = FULL_WIDTH

    @property
    def path(self) -> str:
        """The path below the log's prefix: `tile/0/x001/x234/067.p/5`."""
        return f"tile/{self.level}/{_numbered(self.number, self.width)}"

    @property
    def full(self) -> Tile:
        """The tile that this one becomes."""
        return Tile(self.level, self.number)

    def nodes(self) -> Iterator[Node]:
        """Yield the subtrees whose hashes the tile holds, in order."""
        first = self.number * FULL_WIDTH
        return (Node(self.level * HEIGHT, first + i) for i in range(self.width))


def handover_path(number: int) -> str:
    """Return the path of a handover note between the log's keys: `handover/0` is the oldest."""
    return f"{_HANDOVER_PATH}{number}"


def parse_path(path: str) -> Tile:
    """Return the tile that a path below the log's prefix names. Raises AuditFormatError."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise AuditFormatError("tile path", f"{path[:80]!r} is not tile/LEVEL/NUMBER[.p/WIDTH]")
    level, parents, last, width = match.groups()
    number = int(parents.replace("x", "").replace("/", "") + last)
    found = Tile(int(level), number, FULL_WIDTH if width is None else int(width))
    in_range = found.level < _LEVELS and 0 < found.width <= FULL_WIDTH and number <= MAX_SIZE
    if found.path != path or not in_range:
        raise AuditFormatError("tile path", f"{path[:80]!r} has a number out of range")
    return found


def tiles(size: int, *, since: int = 0) -> Iterator[Tile]:
    """Yield the tiles of a tree of this size that one of `since` leaves does not have, in order.

    Full tiles, and the partial one at the right edge of each level. With `since`, these are the
    tiles to write after the tree has grown.
    """
    level = 0
    while size > 0:
        for number, width in _columns(since, size):
            yield Tile(level, number, width)
        level, since, size = level + 1, since >> HEIGHT, size >> HEIGHT


def tiles_of(nodes: Iterable[Node], size: int) -> tuple[Tile, ...]:
    """Return the tiles of a tree of this size from which `TileHashes` reads these nodes."""
    return tuple(dict.fromkeys(_tile_of(node, size) for node in nodes))


def parse_tile(tile: Tile, raw: bytes) -> bytes:
    """Return a tile's content, its hashes one after the other.

    Raises AuditFormatError for another length.
    """
    expected = tile.width * DIGEST_BYTES
    if len(raw) != expected:
        raise AuditFormatError(f"tile {tile.path}", f"it has {len(raw)} bytes, not {expected}")
    return raw


@dataclass(frozen=True, slots=True)
class TileHashes:
    """A HashReader over the tiles of a tree of `size` leaves, none of them checked."""

    size: int
    tiles: Mapping[Tile, bytes]
    """The contents, as `parse_tile` returns them."""

    def hash_of(self, node: Node) -> Digest:
        tile = _tile_of(node, self.size)
        try:
            hashes = self.tiles[tile]
        except KeyError:
            raise HashMissingError(tile.path) from None
        start, end = _within(node)
        nodes = hashes[start * DIGEST_BYTES : end * DIGEST_BYTES]
        # Few proofs read the same full tile of leaves, and all of them the right edge of the tree.
        seldom = tile.level == 0 and tile == tile.full
        return subtree_hash(nodes) if seldom else _remembered_subtree_hash(nodes)


def edge_tiles(size: int) -> tuple[Tile, ...]:
    """Return the partial tiles of a tree, at most one a level: all that `grow` needs of it."""
    levels = range(-(-size.bit_length() // HEIGHT))
    columns = ((level, *divmod(size >> (level * HEIGHT), FULL_WIDTH)) for level in levels)
    return tuple(Tile(level, number, width) for level, number, width in columns if width)


@dataclass(frozen=True, slots=True)
class Growth:
    """A tree that has grown, and the tiles to write."""

    size: int
    root: Digest
    tiles: Mapping[Tile, bytes]
    """New full tiles, and new partial ones. The partial ones that they replace can go later."""


def grow(size: int, edge: Mapping[Tile, bytes], leaves: Iterable[Digest]) -> Growth:
    """Append leaf hashes to a tree of `size` leaves, of which `edge` holds the `edge_tiles`.

    Raises HashMissingError if one of them is missing. About two hashes are computed for each leaf.
    """
    before = TileHashes(size, edge)
    frontier, new = Frontier.read(size, before).extended(leaves)

    def content(tile: Tile) -> bytes:
        return b"".join(new.get(node) or before.hash_of(node) for node in tile.nodes())

    written = {tile: content(tile) for tile in tiles(frontier.size, since=size)}
    return Growth(frontier.size, frontier.root(), written)


_remembered_subtree_hash = lru_cache(_REMEMBERED)(subtree_hash)


def _columns(since: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield number and width of the tiles that hold hashes `since` to before `size`."""
    if size > since:
        for number in range(since // FULL_WIDTH, (size - 1) // FULL_WIDTH + 1):
            yield number, min(FULL_WIDTH, size - number * FULL_WIDTH)


def _within(node: Node) -> Range:
    """Return the hashes of its tile that a node is computed from."""
    height = node.level % HEIGHT
    start = (node.number << height) % FULL_WIDTH
    return Range(start, start + (1 << height))


def _tile_of(node: Node, size: int) -> Tile:
    level, height = divmod(node.level, HEIGHT)
    number = (node.number << height) // FULL_WIDTH
    width = min(FULL_WIDTH, (size >> (level * HEIGHT)) - number * FULL_WIDTH)
    if width < _within(node).end:
        raise HashMissingError(f"subtree {node.number} at level {node.level}")
    return Tile(level, number, width)


def _numbered(number: int, width: int) -> str:
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
    return path if width == FULL_WIDTH else f"{path}.p/{width}"
