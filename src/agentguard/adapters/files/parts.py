"""Spans as Parquet files, partitioned by the hour in which they started.

`hour=2026-11-23T22/<first>-<last>.parquet` holds the spans of that hour from the log segments
first to last. A part whose range lies within another's in the same folder is superseded: it was
merged into the other and is about to be deleted. Rewriting a part after a crash, and merging
parts, therefore neither lose nor duplicate spans.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from agentguard.adapters.files.segments import sync_folder
from agentguard.compute.arrays import words
from agentguard.ingest.spans import SPAN_SCHEMA
from agentguard.kernel.clock import NS_PER_HOUR, NS_PER_SECOND
from agentguard.traces.window import TimeWindow

U64 = NDArray[np.uint64]

MIXED = "hour=mixed"
"""Folder for the spans of a segment that covers more than _MAX_HOURS hours."""
_MAX_HOURS = 48
_DRAFT = ".draft"
_STALE_SECONDS = 3600
_BATCH_ROWS = 65_536
SMALL_BYTES = 16 * 1024 * 1024
_MAX_SMALL = 8


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One Parquet file; first and last are segment ids: the start times (ns) of the segments."""

    folder: str
    first: int
    last: int

    def path(self, root: Path) -> Path:
        return root / self.folder / f"{self.first:016x}-{self.last:016x}.parquet"

    def supersedes(self, other: Part) -> bool:
        """Whether this part contains all spans of the other."""
        return (
            self != other
            and self.folder == other.folder
            and self.first <= other.first
            and other.last <= self.last
        )


@dataclass(frozen=True, slots=True)
class ParquetSource:
    """A SpanSource that reads one part."""

    path: Path

    def tables(self, traces: U64 | None = None) -> Iterator[pa.Table]:
        with pq.ParquetFile(self.path) as file:
            for group in range(file.num_row_groups):
                rows = (
                    None
                    if traces is None
                    else np.isin(_lower_halves(file.read_row_group(group, ["trace_id"])), traces)
                )
                if rows is None or rows.any():
                    yield from _batches(file, group, rows)

    def traces_touching(self, window: TimeWindow) -> U64:
        if not window.overlaps(*_hour(self.path.parent.name)):
            return np.zeros(0, np.uint64)
        with pq.ParquetFile(self.path) as file:
            spans = file.read(["trace_id", "start"])
        return np.unique(_lower_halves(spans)[window.contains(spans.column("start").to_numpy())])


def _batches(
    file: pq.ParquetFile, group: int, rows: NDArray[np.bool_] | None
) -> Iterator[pa.Table]:
    """Yield the selected rows of a row group in tables of bounded size."""
    at = 0
    for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group]):
        table = pa.Table.from_batches([batch]).cast(SPAN_SCHEMA)
        yield table if rows is None else table.filter(pa.array(rows[at : at + len(table)]))
        at += len(table)


def _lower_halves(spans: pa.Table) -> U64:
    return words(spans.column("trace_id").cast(pa.binary(16)), 16)[:, 1]


def _hour(folder: str) -> tuple[int, int]:
    """Return the interval (ns) in which the spans of a folder start."""
    if folder == MIXED:
        return 0, 2**63 - 1
    start = (
        int(datetime.strptime(folder, "hour=%Y-%m-%dT%H").replace(tzinfo=UTC).timestamp())
        * NS_PER_SECOND
    )
    return start, start + NS_PER_HOUR


def parts_in(root: Path) -> list[Part]:
    """Return every part on disk, including superseded ones, sorted."""
    return sorted(_part(path) for path in root.glob("hour=*/*.parquet"))


def without_superseded(parts: Sequence[Part]) -> list[Part]:
    """Return the distinct parts that no other part supersedes."""
    kept: list[Part] = []
    for part in sorted(set(parts), key=lambda p: (p.folder, p.first, -p.last)):
        if not (kept and kept[-1].supersedes(part)):
            kept.append(part)
    return kept


def write_parts(root: Path, segment: int, spans: pa.Table) -> list[Part]:
    """Write the segment's spans by hour. Idempotent, and durable when it returns."""
    written = []
    for folder, rows in _by_hour(spans["start"].to_numpy()):
        part = Part(folder, segment, segment)
        _write(part.path(root), spans.take(pa.array(rows)))
        written.append(part)
    return written


def merge_parts(root: Path, parts: Sequence[Part]) -> Part:
    """Write one part with the spans of adjacent parts of one folder, which it supersedes."""
    merged = Part(parts[0].folder, parts[0].first, parts[-1].last)
    tables = [table for part in parts for table in ParquetSource(part.path(root)).tables()]
    _write(merged.path(root), pa.concat_tables(tables).unify_dictionaries().combine_chunks())
    return merged


def mergeable(root: Path, parts: Sequence[Part], before: int) -> list[list[Part]]:
    """Return runs of small adjacent parts that are worth merging.

    The parts of a run are in one folder, were received within one hour, and before `before` (ns).
    No older segment may still be pending: its part would lie within the merged range and count as
    superseded.
    """
    runs: list[list[Part]] = []
    for part in (part for part in without_superseded(parts) if part.last < before):
        small = part.path(root).stat().st_size < SMALL_BYTES
        if small and runs and runs[-1] and _adjacent(runs[-1][-1], part):
            runs[-1].append(part)
        else:
            runs.append([part] if small else [])
    return [run for run in runs if len(run) > _MAX_SMALL]


def delete_stale_drafts(root: Path) -> None:
    """Delete incomplete files at least an hour old, left by a crash.

    Younger ones may belong to a running writer.
    """
    for draft in root.glob(f"hour=*/*{_DRAFT}"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - draft.stat().st_mtime > _STALE_SECONDS:
                draft.unlink()


def _adjacent(one: Part, other: Part) -> bool:
    return one.folder == other.folder and one.first // NS_PER_HOUR == other.last // NS_PER_HOUR


def _part(path: Path) -> Part:
    first, _, last = path.stem.partition("-")
    return Part(path.parent.name, int(first, 16), int(last, 16))


def _by_hour(starts: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield each hour's folder with its rows; spans without a time belong to 1970-01-01T00."""
    hours, where = np.unique(starts // NS_PER_HOUR, return_inverse=True)
    if len(hours) > _MAX_HOURS:
        yield MIXED, np.arange(len(starts))
        return
    for n, hour in enumerate(hours.tolist()):
        yield (
            f"hour={datetime.fromtimestamp(hour * 3600, UTC):%Y-%m-%dT%H}",
            np.flatnonzero(where == n),
        )


def _write(path: Path, spans: pa.Table) -> None:
    if not path.parent.exists():
        path.parent.mkdir(parents=True)
        sync_folder(path.parent.parent)
    draft = path.with_name(path.name + _DRAFT)
    with draft.open("wb") as stream:
        pq.write_table(spans, stream, compression="zstd")
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    sync_folder(path.parent)
