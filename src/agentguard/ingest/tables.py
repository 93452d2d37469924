"""Reads tables of spans, one per row: CSV, and Parquet with the same columns.

Langfuse's exports to blob storage have these forms (Langfuse documentation, "Blob storage export
field reference"): in CSV, objects and lists are JSON text and missing values are empty.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from agentguard.ingest import detection
from agentguard.ingest.compression import joined
from agentguard.ingest.errors import InputTooLargeError, UnreadableInputError
from agentguard.ingest.formats.otlp_bodies import MAX_BODY_BYTES
from agentguard.ingest.payloads import DocumentPayload, Refusal

PARQUET = b"PAR1"
"""The first bytes of a Parquet file."""
MAX_FIELD_CHARACTERS = 16 << 20
_ROWS_TOGETHER = 1000

csv.field_size_limit(MAX_FIELD_CHARACTERS)


def csv_payloads(
    chunks: Iterable[bytes], origin: str, *, strict: bool
) -> Iterator[DocumentPayload | Refusal]:
    """Yield the payloads of a CSV table with a header line; a row of another length is refused.

    Raises UnreadableInputError as text.payloads does.
    """
    lines = _lines(chunks)
    reader = csv.reader(lines, strict=True)
    try:
        header = next(reader, [])
        yield from _payloads(_named(header, reader, origin), origin, strict=strict)
    except UnicodeDecodeError as error:
        raise UnreadableInputError("not-utf8", "The text is not UTF-8.") from error
    except csv.Error as error:
        message = f"Invalid CSV (line {reader.line_num}): {error}."
        raise UnreadableInputError("bad-csv", message) from error


def parquet_payloads(
    chunks: Iterable[bytes], origin: str, *, strict: bool, limit: int | None
) -> Iterator[DocumentPayload | Refusal]:
    """Yield the payloads of a Parquet file; raise UnreadableInputError if it is damaged.

    Raises InputTooLargeError if its pages, decompressed, exceed the limit (bytes).
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(joined(chunks, MAX_BODY_BYTES)))
        groups = range(file.metadata.num_row_groups)
        size = sum(file.metadata.row_group(group).total_byte_size for group in groups)
        if limit is not None and size > limit:
            raise InputTooLargeError.over(limit)
        yield from _payloads(_rows(file), origin, strict=strict)
    except (pa.ArrowException, OSError) as error:
        raise UnreadableInputError("bad-parquet", f"Damaged Parquet file: {error}.") from error


def _payloads(
    rows: Iterator[Mapping[str, Any] | Refusal], origin: str, *, strict: bool
) -> Iterator[DocumentPayload | Refusal]:
    """Yield the payloads of rows that are spans of a known format."""
    first = 1
    while found := list(itertools.islice(rows, _ROWS_TOGETHER)):
        usable = [row for row in found if not isinstance(row, Refusal)]
        if usable and not detection.holds_traces({"data": usable}):
            if strict or first > 1:
                yield from detection.payloads({"data": usable}, origin)
            return
        yield from (row for row in found if isinstance(row, Refusal))
        if usable:
            yield from detection.payloads({"data": usable}, f"{origin}, rows from {first}")
        first += len(found)


def _named(
    header: Sequence[str], rows: Iterable[Sequence[str]], origin: str
) -> Iterator[dict[str, str] | Refusal]:
    for number, row in enumerate(rows, 1):
        if len(row) == len(header):
            yield {name: value for name, value in zip(header, row, strict=True) if value}
        elif row:
            message = f"The row has {len(row)} fields, but the header {len(header)}."
            yield Refusal(f"{origin}, row {number}", "bad-csv", message)


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines with their ends; a line is decoded as a whole."""
    rest = b""
    for chunk in chunks:
        *ended, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_FIELD_CHARACTERS:
            message = f"A line exceeds {MAX_FIELD_CHARACTERS >> 20} MiB."
            raise UnreadableInputError("value-too-large", message)
        yield from (f"{line.decode()}\n" for line in ended)
    if rest:
        yield rest.decode()


def _rows(file: pq.ParquetFile) -> Iterator[dict[str, Any]]:
    for batch in file.iter_batches(_ROWS_TOGETHER):
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
