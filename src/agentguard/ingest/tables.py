"""Reads tables of spans, one per row: CSV, and Parquet with the same columns.

Langfuse's exports to blob storage have these forms (Langfuse documentation, "Blob storage export
field reference"): in CSV, objects and lists are JSON text and missing values are empty.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from agentguard.ingest import detection
from agentguard.ingest.compression import joined
from agentguard.ingest.errors import InputTooLargeError, UnreadableInputError
from agentguard.ingest.formats.kinds import MALFORMED
from agentguard.ingest.formats.otlp_bodies import MAX_BODY_BYTES
from agentguard.ingest.payloads import DocumentPayload, Refusal

PARQUET = b"PAR1"
"""The first bytes of a Parquet file."""
MAX_FIELD_CHARACTERS = 16 << 20
_ROWS_TOGETHER = 1000
_BYTES_TOGETHER = 64 << 20
_UNKNOWN_COLUMNS = (
    "These are not the columns of a known export of spans. See docs/formats.md for the exports that"
    " are read."
)
_NO_SPAN = "The row lacks the ids or the start time of a span. Export the table again."


def csv_payloads(
    chunks: Iterable[bytes], origin: str, *, strict: bool
) -> Iterator[DocumentPayload | Refusal]:
    """Yield the payloads of a CSV table with a header line; a row of another length is refused.

    Raises UnreadableInputError as text.payloads does.
    """
    csv.field_size_limit(MAX_FIELD_CHARACTERS)  # a limit of the module: readers have none
    reader = csv.reader(_lines(chunks), strict=True)
    try:
        header = next(reader, [])
        yield from _payloads(_named(header, reader, origin), origin, strict=strict)
    except UnicodeDecodeError as error:
        raise UnreadableInputError("not-utf8", "The text is not UTF-8.") from error
    except csv.Error as error:
        message = f"Invalid CSV (line {reader.line_num}): {error}. Export the table again."
        raise UnreadableInputError("bad-csv", message) from error


def parquet_payloads(
    chunks: Iterable[bytes], origin: str, *, strict: bool, limit: int | None
) -> Iterator[DocumentPayload | Refusal]:
    """Yield the payloads of a Parquet file; raise UnreadableInputError if it is damaged.

    Raises InputTooLargeError if its pages, decompressed, exceed the limit (bytes).
    """
    content = joined(chunks, MAX_BODY_BYTES)
    yield from _payloads(_parquet_rows(content, limit), origin, strict=strict)


def _parquet_rows(content: bytes, limit: int | None) -> Iterator[dict[str, Any]]:
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        groups = range(file.metadata.num_row_groups)
        sizes = [file.metadata.row_group(group).total_byte_size for group in groups]
        if limit is not None and sum(sizes) > limit:
            raise InputTooLargeError.over(limit)
        yield from _rows(file, max(sizes, default=0), limit)
    # A value that no Python value can hold is a ValueError or OverflowError.
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        message = f"Damaged Parquet file: {error}. Export it again."
        raise UnreadableInputError("bad-parquet", message) from error


def _payloads(
    rows: Iterator[Mapping[str, Any] | Refusal], origin: str, *, strict: bool
) -> Iterator[DocumentPayload | Refusal]:
    """Yield the payloads of rows that are spans of a known format, and refuse the other rows.

    Without any span among the first rows, the table is of an unknown format.
    """
    first = 1
    for group in _groups(rows):
        spans, refusals = _sorted(group, first, origin)
        if not spans and first == 1:
            yield from _refusals(group, origin, strict=strict)
            return
        yield from refusals
        if spans:
            yield from detection.payloads({"data": spans}, f"{origin}, rows from {first}")
        first += len(group)


def _sorted(
    group: list[Mapping[str, Any] | Refusal], first: int, origin: str
) -> tuple[list[Mapping[str, Any]], list[Refusal]]:
    """Return the rows that are spans, and a refusal for each other row; `first`: its number."""
    spans, refusals = [], []
    for number, row in enumerate(group, first):
        if isinstance(row, Refusal):
            refusals.append(row)
        elif detection.holds_traces({"data": [row]}):
            spans.append(row)
        else:
            refusals.append(Refusal(f"{origin}, row {number}", MALFORMED, _NO_SPAN))
    return spans, refusals


def _groups(
    rows: Iterator[Mapping[str, Any] | Refusal],
) -> Iterator[list[Mapping[str, Any] | Refusal]]:
    """Yield the rows in groups of bounded number and size."""
    group: list[Mapping[str, Any] | Refusal] = []
    size = 0
    for row in rows:
        group.append(row)
        if not isinstance(row, Refusal):
            size += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(group) >= _ROWS_TOGETHER or size >= _BYTES_TOGETHER:
            yield group
            group, size = [], 0
    if group:
        yield group


def _refusals(
    group: list[Mapping[str, Any] | Refusal], origin: str, *, strict: bool
) -> Iterator[DocumentPayload | Refusal]:
    """Yield why rows without any span cannot be used; of a file found in a folder, nothing."""
    table = {"data": [row for row in group if not isinstance(row, Refusal)]}
    if strict and detection.format_of(table) is None:
        yield Refusal(origin, "unknown-format", _UNKNOWN_COLUMNS)
    elif strict:
        yield from detection.payloads(table, origin)


def _named(
    header: Sequence[str], rows: Iterable[Sequence[str]], origin: str
) -> Iterator[dict[str, str] | Refusal]:
    for number, row in enumerate(rows, 1):
        if len(row) == len(header):
            yield {name: value for name, value in zip(header, row, strict=True) if value}
        elif row:
            message = (
                f"The row has {len(row)} fields, but the header has {len(header)}. Export the table"
                " again."
            )
            yield Refusal(f"{origin}, row {number}", "bad-csv", message)


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines with their ends; a line is decoded as a whole."""
    rest = b""
    for chunk in chunks:
        *ended, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_FIELD_CHARACTERS:
            message = (
                f"A line of the CSV file exceeds {MAX_FIELD_CHARACTERS >> 20} MiB. Export the table"
                " without content, or as JSON lines."
            )
            raise UnreadableInputError("value-too-large", message)
        yield from (f"{line.decode()}\n" for line in ended)
    if rest:
        yield rest.decode()


def _rows(file: pq.ParquetFile, largest: int, limit: int | None) -> Iterator[dict[str, Any]]:
    """Yield the rows, read few at a time where one may be large.

    No row is larger than its group's pages (`largest`, bytes), but values of a dictionary repeat.
    """
    together = max(1, min(_ROWS_TOGETHER, _BYTES_TOGETHER // max(largest, 1)))
    read = 0
    for batch in file.iter_batches(together):
        read += batch.nbytes
        if limit is not None and read > limit:
            raise InputTooLargeError.over(limit)
        columns = [_readable(column) for column in batch.columns]
        table = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
        for row in table.to_pylist(maps_as_pydicts="lossy"):
            yield {key: _text(value) for key, value in row.items() if value is not None}


def _readable(column: pa.Array) -> pa.Array:
    """Return a column of timestamps as microseconds since 1970; others unchanged."""
    if not pa.types.is_timestamp(column.type):
        return column
    return column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())


def _text(value: Any) -> Any:
    """Return bytes as text, also inside lists and objects."""
    match value:
        case bytes():
            return value.decode("utf-8", "replace")
        case list():
            return [_text(item) for item in value]
        case dict():
            return {_text(key): _text(item) for key, item in value.items()}
        case _:
            return value
