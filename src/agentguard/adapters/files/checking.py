"""Checks of all span files of a data directory, which change nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agentguard.adapters.files.locks import try_shared_lock
from agentguard.adapters.files.parquet import UnreadableParquetError, verify
from agentguard.adapters.files.parts import FOREIGN, damage_of, foreign_in, parts_in
from agentguard.adapters.files.quarantine import Quarantine, damaged_file
from agentguard.adapters.files.segments import foreign_segments, read_segment, segments_in
from agentguard.traces.damage import DamagedFile


@dataclass(frozen=True, slots=True)
class SpanFilesCheck:
    """What was checked, and what is wrong."""

    parts: int
    parts_without_checksum: int
    """Written by an earlier version: they can be read, but a flipped byte may go unnoticed."""
    segments: int
    segments_in_use: int
    """Those that a running process still writes; they are not checked."""
    damaged: tuple[DamagedFile, ...]
    quarantine: tuple[DamagedFile, ...]


def check_span_files(directory: Path) -> SpanFilesCheck:
    """Read every file of the stored spans; raises OSError."""
    lake, logs = directory / "spans", directory / "log"
    parts = [part.path(lake) for part in parts_in(lake)]
    segments = segments_in(logs)
    unused = [path for path in segments if not _in_use(path)]
    damaged = (
        *foreign_in(lake),
        *(damaged_file(directory, path, FOREIGN) for path in foreign_segments(logs)),
        *(found for path in parts if (found := damage_of(path)) is not None),
        *(found for path in unused for found in _damage_of_segment(directory, path)),
    )
    return SpanFilesCheck(
        len(parts),
        sum(map(_has_no_checksum, parts)),
        len(segments),
        len(segments) - len(unused),
        damaged,
        Quarantine(directory).files(),
    )


def _damage_of_segment(directory: Path, path: Path) -> Iterator[DamagedFile]:
    with contextlib.suppress(FileNotFoundError):  # a server compacted it meanwhile
        content = read_segment(path)
        if content.damaged:
            yield damaged_file(directory, path, "damaged records", records_lost=content.lost)


def _has_no_checksum(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError, UnreadableParquetError):
        return not verify(path)
    return False


def _in_use(path: Path) -> bool:
    """Return whether a process holds the segment's lock."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not try_shared_lock(handle)
    finally:
        os.close(handle)
