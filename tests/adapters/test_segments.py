"""Segments of the write-ahead log: what is damaged does not hide what follows it."""

from __future__ import annotations

import os
import stat
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.adapters.files.records import (
    HEADER_BYTES,
    RECORD_BYTES,
    SegmentContent,
    header,
    parse,
    records,
)
from agentguard.adapters.files.segments import SegmentWriter, read_segment
from agentguard.traces.store import Delivery, Encoding

DELIVERIES = st.lists(
    st.builds(Delivery, st.binary(max_size=60), st.sampled_from(Encoding)), max_size=6
)
SALT = b"\x01\x02\x03\x04\x05\x06\x07\x08"
FEW = tuple(
    Delivery(bytes([65 + n]) * (7 * n), Encoding.JSON if n % 2 else Encoding.PROTOBUF)
    for n in range(5)
)
"""The first has no body."""


def segment(deliveries) -> bytes:
    return header(SALT) + b"".join(records(SALT, 0, deliveries))


def ends(deliveries) -> list[int]:
    """Return where the header ends, and each record."""
    found = [HEADER_BYTES]
    for delivery in deliveries:
        found.append(found[-1] + RECORD_BYTES + len(delivery.body))
    return found


def without(deliveries, at: int) -> tuple[Delivery, ...]:
    """Return the deliveries whose records do not contain this byte."""
    return tuple(
        delivery
        for delivery, start, end in zip(
            deliveries, ends(deliveries), ends(deliveries)[1:], strict=False
        )
        if not start <= at < end
    )


def written(path: Path, deliveries: list[Delivery]) -> Path:
    path.unlink(missing_ok=True)
    writer = SegmentWriter(path)
    writer.append(deliveries)
    writer.close()
    return path


@given(deliveries=DELIVERIES)
def test_what_is_appended_is_read_back_in_order(tmp_path_factory, deliveries):
    path = written(tmp_path_factory.mktemp("log") / "1.log", deliveries)

    assert read_segment(path) == SegmentContent(tuple(deliveries))


@pytest.mark.parametrize("flip", [1 << bit for bit in range(8)] + [0xFF])
def test_after_a_flip_anywhere_all_other_records_are_found(flip: int):
    content = segment(FEW)
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= flip

        found = parse(bytes(damaged))

        assert found.deliveries == without(FEW, at), at
        assert found.lost == (at >= HEADER_BYTES), at
        assert found.damaged


def test_a_header_that_looks_like_that_of_the_former_format_hides_nothing():
    content = bytearray(segment(FEW))
    content[7 - 1] ^= 3

    assert parse(bytes(content)).deliveries == FEW


@given(
    deliveries=DELIVERIES,
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), max_size=8),
)
def test_whatever_bytes_are_flipped_no_wrong_record_is_returned(deliveries, flips):
    content = bytearray(segment(deliveries))
    changed = {at % len(content): flip for at, flip in flips}
    for at, flip in changed.items():
        content[at] ^= flip

    found = parse(bytes(content))

    assert all(delivery in deliveries for delivery in found.deliveries)
    assert found.damaged or not changed or not deliveries


@given(deliveries=DELIVERIES, data=st.data())
def test_a_cut_anywhere_keeps_exactly_the_whole_records_before_it(deliveries, data):
    content = segment(deliveries)
    cut = data.draw(st.integers(0, len(content)))

    found = parse(content[:cut])

    whole = max(sum(end <= cut for end in ends(deliveries)) - 1, 0)
    assert found.deliveries == tuple(deliveries[:whole])
    assert found.lost == 0
    assert not found.damaged
    assert found.incomplete_bytes == (cut - ends(deliveries)[whole] if cut >= HEADER_BYTES else cut)


@given(deliveries=DELIVERIES.filter(bool), junk=st.binary(min_size=1, max_size=200))
def test_junk_at_the_end_hides_nothing(deliveries, junk):
    found = parse(segment(deliveries) + junk)

    assert found.deliveries == tuple(deliveries)
    assert found.damaged != (not junk.strip(b"\0") or b"\xf1AG\x02".startswith(junk))


@pytest.mark.parametrize("first", range(5))
def test_a_wiped_block_loses_only_the_records_in_it(first: int):
    content, start, end = segment(FEW), ends(FEW)[first], ends(FEW)[min(first + 2, 5)]

    found = parse(content[:start] + bytes(end - start) + content[end:])

    assert found.deliveries == FEW[:first] + FEW[first + 2 :]
    at_the_end = end == len(content)
    assert found.lost == (0 if at_the_end else min(2, 5 - first))


def test_a_wiped_header_loses_nothing():
    content = segment(FEW)

    found = parse(bytes(HEADER_BYTES) + content[HEADER_BYTES:])

    assert found == SegmentContent(FEW, lost=0, damaged=True)


def test_a_record_inside_a_body_is_not_taken_for_one():
    inner = b"".join(records(b"guessed!", 0, [Delivery(b"fake", Encoding.JSON)]))
    deliveries = [Delivery(inner * 20, Encoding.JSON), *FEW]
    content = bytearray(segment(deliveries))
    content[HEADER_BYTES + 4] ^= 1  # in the first record's header

    found = parse(bytes(content))

    assert found.deliveries == FEW
    assert found.lost == 1


def former(deliveries) -> bytes:
    """The format of earlier versions."""
    content = b"AGLOG\x00\x01\n"
    for each in deliveries:
        number = bytes([1 if each.encoding is Encoding.PROTOBUF else 2])
        checksum = zlib.crc32(each.body, zlib.crc32(number))
        content += struct.pack("<II", len(each.body), checksum) + number + each.body
    return content


@given(deliveries=DELIVERIES)
def test_segments_of_earlier_versions_are_read(deliveries):
    assert parse(former(deliveries)) == SegmentContent(tuple(deliveries))


def test_damage_in_a_segment_of_an_earlier_version_is_told():
    content = bytearray(former(FEW))
    content[8 + 9 + 9 + 7 + 9] ^= 1  # in the third body

    found = parse(bytes(content))

    assert found == SegmentContent(FEW[:2], lost=1, damaged=True)


def test_only_its_owner_can_read_it(tmp_path: Path):
    path = written(tmp_path / "1.log", [])

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_failed_sync_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    writer = SegmentWriter(tmp_path / "1.log")
    first = Delivery(b"first", Encoding.JSON)
    writer.append([first])

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", full)
        with pytest.raises(OSError, match="No space"):
            writer.append([Delivery(b"second", Encoding.JSON)])
    third = Delivery(b"third", Encoding.JSON)
    writer.append([third])
    writer.close()

    assert read_segment(tmp_path / "1.log") == SegmentContent((first, third))


def test_a_long_write_of_many_records_is_whole(tmp_path: Path):
    deliveries = [Delivery(bytes([n % 256]) * (n % 97), Encoding.PROTOBUF) for n in range(3000)]

    found = read_segment(written(tmp_path / "1.log", deliveries))
    assert found == SegmentContent(tuple(deliveries))
