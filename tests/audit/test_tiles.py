"""Tiles hold the tree: what is read from them is what direct hashing gives."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agentguard.audit.errors import AuditFormatError, HashMissingError
from agentguard.audit.merkle import (
    Digest,
    Frontier,
    Node,
    consistency_nodes,
    consistency_proof,
    inclusion_nodes,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
)
from agentguard.audit.tiles import (
    Tile,
    TileHashes,
    edge_tiles,
    grow,
    parse_path,
    parse_tile,
    tiles,
    tiles_of,
)
from tests.audit.hashes import StoredHashes, tile_bytes

LARGEST = 70_000
SIZES = st.one_of(
    st.integers(1, LARGEST), st.sampled_from([255, 256, 257, 511, 65_535, 65_536, 65_537])
)


@cache
def stored() -> StoredHashes:
    leaves = (leaf_hash(number.to_bytes(4, "big")) for number in range(LARGEST))
    return StoredHashes(Frontier().extended(leaves)[1])


@cache
def content(tile: Tile) -> bytes:
    return parse_tile(tile, tile_bytes(tile, stored()))


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),
        (Tile(1, 999, 17), "tile/1/999.p/17"),
        (Tile(63, 1_000, 255), "tile/63/x001/000.p/255"),
    ],
)
def test_paths_of_the_specification(tile, path):
    assert tile.path == path
    assert parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/entries/000",
        "tile/-1/000",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000/",
        "tile/0/000\n",
        "tile/0/../../x",
        "tile/٣/000",
        "tile/0/" + "x999/" * 6 + "999",
        "tile/0/" + "x999/" * 2_000 + "999",
    ],
)
def test_other_paths_are_refused(path):
    with pytest.raises(AuditFormatError, match="tile path"):
        parse_path(path)


@given(st.text(max_size=30) | st.from_regex(r"tile/[0-9]{1,2}/(x[0-9]{3}/)?[0-9]{3}(\.p/[0-9])?"))
def test_a_path_that_is_read_is_written_the_same(path):
    try:
        found = parse_path(path)
    except AuditFormatError:
        return

    assert found.path == path


def test_the_tree_of_the_specification_has_these_tiles():
    found = list(tiles(70_000))

    assert found[:273] == [Tile(0, number) for number in range(273)]
    assert found[273:] == [Tile(0, 273, 112), Tile(1, 0), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert list(tiles(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles(0)) == []


@given(SIZES, SIZES)
@example(256, 256)
@example(255, 256)
@example(256, 257)
def test_the_tiles_of_a_grown_tree_are_the_old_ones_and_the_new_ones(old, size):
    old, size = min(old, size), max(old, size)
    before, after, new = set(tiles(old)), set(tiles(size)), set(tiles(size, since=old))

    assert new == after - before


@given(SIZES, st.data())
def test_proofs_from_tiles_are_those_of_direct_hashing(size, data):
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    needed = tiles_of([*inclusion_nodes(index, size), *consistency_nodes(old, size)], size)
    hashes = TileHashes(size, {tile: content(tile) for tile in needed})

    assert inclusion_proof(index, size, hashes) == inclusion_proof(index, size, stored())
    assert consistency_proof(old, size, hashes) == consistency_proof(old, size, stored())
    assert set(needed) <= set(tiles(size))
    assert len(needed) <= 6


@given(SIZES)
def test_the_root_from_tiles_is_that_of_direct_hashing(size):
    hashes = TileHashes(size, {tile: content(tile) for tile in tiles(size)})

    assert root(size, hashes) == root(size, stored())
    assert Frontier.read(size, hashes) == Frontier.read(size, stored())


@settings(max_examples=25)
@given(SIZES, st.integers(0, 2_000))
@example(256, 1)
@example(255, 1)
@example(65_535, 2)
def test_a_tree_grows_from_its_partial_tiles(size, more):
    more = min(more, LARGEST - size)
    edge = {tile: content(tile) for tile in edge_tiles(size)}
    leaves = [stored().hash_of(Node(0, number)) for number in range(size, size + more)]

    growth = grow(size, edge, leaves)

    assert set(edge) <= set(tiles(size))
    assert (growth.size, growth.root) == (size + more, root(size + more, stored()))
    assert growth.tiles == {
        tile: tile_bytes(tile, stored()) for tile in tiles(size + more, since=size)
    }


def test_growing_needs_all_partial_tiles():
    assert edge_tiles(0) == edge_tiles(65_536)[:0] == ()
    assert edge_tiles(70_000) == (Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1))
    with pytest.raises(HashMissingError, match=r"tile/0/000\.p/5"):
        grow(5, {}, [])


def test_a_full_tile_hashes_to_its_place_in_the_level_above():
    raw = content(Tile(0, 3))
    row = [Digest(raw[at : at + 32]) for at in range(0, len(raw), 32)]
    while len(row) > 1:
        row = [node_hash(*row[at : at + 2]) for at in range(0, len(row), 2)]

    assert row == [content(Tile(1, 0))[3 * 32 : 4 * 32]]


@given(st.integers(0, 10), st.integers(-64, 64))
def test_a_tile_of_another_length_is_refused(width, more):
    raw = bytes(max(0, 32 * 5 + more))

    if len(raw) == 32 * 5:
        assert parse_tile(Tile(0, 0, 5), raw) == raw
    else:
        with pytest.raises(AuditFormatError, match=r"tile/0/000\.p/5"):
            parse_tile(Tile(0, 0, 5), raw)


def test_missing_tiles_are_named():
    hashes = TileHashes(300, {})

    with pytest.raises(HashMissingError, match=r"tile/0/001\.p/44"):
        hashes.hash_of(Node(0, 299))
    with pytest.raises(HashMissingError, match="subtree 300 at level 0"):
        hashes.hash_of(Node(0, 300))
    with pytest.raises(HashMissingError, match="subtree 1 at level 8"):
        hashes.hash_of(Node(8, 1))
