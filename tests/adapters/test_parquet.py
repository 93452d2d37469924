"""Parquet files with a checksum: a flipped byte is found, wherever it is."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agentguard.adapters.files.folders import open_private
from agentguard.adapters.files.parquet import (
    UnreadableParquetError,
    readable,
    verify,
    write_parquet,
)

TABLE = pa.table({"name": ["a", "b"] * 50, "start": list(range(100))})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with open_private(tmp_path / "1.parquet") as stream:
        write_parquet(stream, TABLE)
    return tmp_path / "1.parquet"


def test_any_reader_of_parquet_reads_it(path: Path):
    assert verify(path)
    assert pq.read_table(path, memory_map=False).equals(TABLE)
    assert pq.ParquetFile(path).metadata.num_rows == 100


def test_a_flip_of_any_byte_is_found_or_harmless(path: Path):
    content = path.read_bytes()
    undetected = []
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        try:
            if not verify(path):
                undetected.append(at)
        except UnreadableParquetError:
            continue
    # Without its tag a file counts as one of an earlier version, and its data are undamaged.
    assert undetected == list(range(len(content) - 20, len(content) - 12))


@pytest.mark.parametrize("left", [0, 1, 7, 19, 20, 100])
def test_a_file_that_was_cut_is_not_read(path: Path, left: int):
    path.write_bytes(path.read_bytes()[:left])

    def read() -> None:
        with readable():
            verify(path)
            pq.ParquetFile(path)

    with pytest.raises(UnreadableParquetError):
        read()


def test_files_of_earlier_versions_have_no_checksum(tmp_path: Path):
    pq.write_table(TABLE, tmp_path / "1.parquet")

    assert not verify(tmp_path / "1.parquet")


def test_what_the_process_lacks_is_not_a_fault_of_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    def too_many(*_args: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(Path, "open", too_many)

    with pytest.raises(OSError, match="Too many open files"):
        verify(path)
