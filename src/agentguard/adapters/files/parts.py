"""Spans as Parquet files, partitioned by the hour in which they started.

`hour=2026-11-23T22/<first>-<last>.parquet` holds the spans of that hour from the log segments
first to last. A part whose range lies within another's in the same folder is superseded: it was
merged into the other and is about to be deleted. Rewriting a part after a crash, and merging
parts, therefore neither lose nor duplicate spans.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from agentguard.adapters.files.folders import open_private, private_folder, sync_folder
from agentguard.adapters.files.parquet import (
    UnreadableParquetError,
    readable,
    verify,
    write_parquet,
)
from agentguard.adapters.files.quarantine import damaged_file
from agentguard.compute.arrays import words
from agentguard.ingest.spans import SPAN_SCHEMA
from agentguard.kernel.clock import NS_PER_HOUR, NS_PER_SECOND
from agentguard.traces.damage import DamagedFile, DamagedSpansError
from agentguard.traces.window import TimeWindow

U64 = NDArray[np.uint64]

MIXED = "hour=mixed"
"""Folder for the spans of a segment that covers more than _MAX_HOURS hours."""
_FOLDER = re.compile(r"hour=(mixed|\d{4}-\d\d-\d\dT\d\d)")
_NAME = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})\.parquet")
_MAX_HOURS = 48
FOREIGN = "not a file of AgentGuard"
"""What is wrong with a file that has the name of none of ours."""
_DRAFT = ".draft"
_STALE_SECONDS = 3600
_BATCH_ROWS = 65_536
SMALL_BYTES = 16 * 1024 * 1024
_MAX_SMALL = 8
_MOST_MERGED = 500_000
"""Spans that are merged, and therefore held in memory, at a time."""
_COUNTED_PARTS = 16_384
_LATER_COLUMNS = frozenset({"cached_input_tokens", "request", "conversation"})
"""Columns that files of earlier versions lack; all are whole numbers."""
_GONE = "it is gone"
"""What is wrong with a file that another process has set aside."""


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
    """A SpanSource that reads one part, in a data directory's folder `spans`."""

    path: Path

    def tables(self, traces: U64 | None = None) -> Iterator[pa.Table]:
        with _opened(self.path) as file:
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
        with _opened(self.path) as file:
            spans = file.read(["trace_id", "start"])
        return np.unique(_lower_halves(spans)[window.contains(spans.column("start").to_numpy())])


def _batches(
    file: pq.ParquetFile, group: int, rows: NDArray[np.bool_] | None
) -> Iterator[pa.Table]:
    """Yield the selected rows of a row group in tables of bounded size."""
    at = 0
    for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group]):
        table = _with_later_columns(pa.Table.from_batches([batch])).cast(SPAN_SCHEMA)
        yield table if rows is None else table.filter(pa.array(rows[at : at + len(table)]))
        at += len(table)


def _with_later_columns(spans: pa.Table) -> pa.Table:
    """Return the spans of a file of an earlier version with every column of SPAN_SCHEMA."""
    for name in _LATER_COLUMNS - set(spans.column_names):
        spans = spans.append_column(name, pa.array(np.zeros(len(spans), np.int64)))
    return spans.select(SPAN_SCHEMA.names)


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


@lru_cache(_COUNTED_PARTS)
def span_count(path: Path) -> int:
    """Return the number of spans in a part, which never changes.

    Reads only the footer, which tells; readers check the rest. Raises DamagedSpansError.
    """
    try:
        with readable():
            count: int = pq.read_metadata(path).num_rows
    except FileNotFoundError as error:
        raise _damage(path, _GONE) from error
    except UnreadableParquetError as error:
        raise _damage(path, str(error)) from error
    return count


def newest_parts(root: Path, parts: Sequence[Part], most_spans: int) -> tuple[list[Part], int]:
    """Return the parts received last that have at most so many spans, and the spans of the others.

    At least one part is returned. Raises DamagedSpansError.
    """
    newest: list[Part] = []
    held = left_out = 0
    for part in sorted(parts, key=lambda each: each.last, reverse=True):
        count = span_count(part.path(root))
        if newest and (left_out or held + count > most_spans):
            left_out += count
        else:
            newest.append(part)
            held += count
    return sorted(newest), left_out


def parts_in(root: Path) -> list[Part]:
    """Return every part on disk, including superseded ones, sorted."""
    found = (_part(path) for path in root.glob("hour=*/*.parquet"))
    return sorted(part for part in found if part is not None)


def foreign_in(root: Path) -> list[DamagedFile]:
    """Return the Parquet files among the parts that do not have the name of one."""
    return [
        damaged_file(root.parent, path, FOREIGN)
        for path in sorted(root.glob("hour=*/*.parquet"))
        if _part(path) is None
    ]


def damage_of(path: Path) -> DamagedFile | None:
    """Read a part; return what is wrong with it, or None."""
    try:
        for _ in ParquetSource(path).tables():
            pass
    except DamagedSpansError as error:
        return error.found
    return None


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

    The parts of a run are in one folder, were received within one hour, and before `before` (ns);
    they have at most _MOST_MERGED spans, which are in memory while they are merged.
    No older segment may still be pending: its part would lie within the merged range and count as
    superseded.
    """
    runs: list[list[Part]] = []
    total = 0
    for part in (part for part in without_superseded(parts) if part.last < before):
        count = _spans_if_small(part.path(root))
        if count is None:
            runs.append([])
        elif runs and runs[-1] and _adjacent(runs[-1][-1], part) and total + count <= _MOST_MERGED:
            runs[-1].append(part)
            total += count
        else:
            runs.append([part])
            total = count
    return [run for run in runs if len(run) > _MAX_SMALL]


def _spans_if_small(path: Path) -> int | None:
    """Return the number of spans in a small part, or None for a larger one.

    A damaged part counts as empty: merging sets it aside.
    """
    if path.stat().st_size >= SMALL_BYTES:
        return None
    try:
        count = span_count(path)
    except DamagedSpansError:
        return 0
    return count if count < _MOST_MERGED // 2 else None


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


def _part(path: Path) -> Part | None:
    """Return the part that has this path; None for a foreign file."""
    name, folder = _NAME.fullmatch(path.name), path.parent.name
    if name is None or _FOLDER.fullmatch(folder) is None or name[1] > name[2]:
        return None
    return Part(folder, int(name[1], 16), int(name[2], 16))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a part whose checksum is right; raise DamagedSpansError where it cannot be read."""
    rows: int | None = None
    try:
        verify(path)
        with readable(), pq.ParquetFile(path) as file:
            rows = file.metadata.num_rows
            _refuse_foreign(file.schema_arrow)
            yield file
    except FileNotFoundError as error:
        raise _damage(path, _GONE) from error
    except UnreadableParquetError as error:
        raise _damage(path, str(error), rows) from error


def _damage(path: Path, reason: str, rows: int | None = None) -> DamagedSpansError:
    return DamagedSpansError(damaged_file(path.parents[2], path, reason, records_lost=rows))


def _refuse_foreign(schema: pa.Schema) -> None:
    expected = [name for name in SPAN_SCHEMA.names if name not in _LATER_COLUMNS]
    missing = [name for name in expected if name not in schema.names]
    if missing:
        raise UnreadableParquetError(f"it does not hold spans: no column {missing[0]!r}")


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
        private_folder(path.parent)
        sync_folder(path.parent.parent)
    draft = path.with_name(path.name + _DRAFT)
    with open_private(draft) as stream:
        write_parquet(stream, spans)
    draft.replace(path)
    sync_folder(path.parent)
