from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.adapters.files.segments import MAGIC, SegmentWriter, cut_torn_tail, read_segment
from agentguard.traces.store import Delivery, Encoding

DELIVERIES = st.lists(
    st.builds(Delivery, st.binary(max_size=60), st.sampled_from(Encoding)), max_size=6
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

    assert list(read_segment(path)) == deliveries


@given(deliveries=DELIVERIES, data=st.data())
def test_a_cut_anywhere_keeps_exactly_the_whole_records_before_it(
    tmp_path_factory, deliveries, data
):
    path = written(tmp_path_factory.mktemp("log") / "1.log", deliveries)
    ends = [len(MAGIC)]
    for delivery in deliveries:
        ends.append(ends[-1] + 9 + len(delivery.body))
    cut = data.draw(st.integers(0, ends[-1]))
    os.truncate(path, cut)

    lost = cut_torn_tail(path)

    whole = sum(end <= cut for end in ends) - 1
    assert list(read_segment(path)) == deliveries[: max(whole, 0)]
    assert lost == cut - (ends[whole] if whole >= 0 else 0)


@given(deliveries=DELIVERIES.filter(bool), junk=st.binary(min_size=1, max_size=200))
def test_junk_at_the_end_is_cut(tmp_path_factory, deliveries, junk):
    path = written(tmp_path_factory.mktemp("log") / "1.log", deliveries)
    size = path.stat().st_size
    with path.open("ab") as stream:
        stream.write(junk)

    cut_torn_tail(path)

    assert list(read_segment(path)) == deliveries
    assert path.stat().st_size == size


@given(at=st.integers(len(MAGIC), 10_000))
def test_a_flipped_bit_is_noticed(tmp_path_factory, at):
    deliveries = [Delivery(bytes([n]) * 40, Encoding.JSON) for n in range(4)]
    path = written(tmp_path_factory.mktemp("log") / "1.log", deliveries)
    content = bytearray(path.read_bytes())
    content[at % (len(content) - len(MAGIC)) + len(MAGIC)] ^= 1
    path.write_bytes(content)

    kept = list(read_segment(path))

    assert len(kept) < 4
    assert kept == deliveries[: len(kept)]


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

    assert list(read_segment(tmp_path / "1.log")) == [first, third]


def test_a_long_write_of_many_records_is_whole(tmp_path: Path):
    deliveries = [Delivery(bytes([n % 256]) * (n % 97), Encoding.PROTOBUF) for n in range(3000)]

    assert list(read_segment(written(tmp_path / "1.log", deliveries))) == deliveries
