"""Spans grouped by trace, in memory up to a limit, then in partitions on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from agentguard.compute.arrays import hash_rows, words
from agentguard.ingest.spans import SPAN_SCHEMA

_IN_MEMORY = 250_000
"""Spans held in memory before they are written to disk."""
_PARTITIONS = 32


class Spool:
    """Accepts span tables in any order and returns them in partitions of complete traces."""

    def __init__(self, *, in_memory: int = _IN_MEMORY, partitions: int = _PARTITIONS) -> None:
        self._in_memory, self._count = in_memory, partitions
        self._held: list[pa.Table] = []
        self._rows = 0
        self._stack = ExitStack()
        self._writers: list[pa.ipc.RecordBatchStreamWriter] = []
        self._files: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def add(self, spans: pa.Table) -> None:
        """Add spans (SPAN_SCHEMA)."""
        self._held.append(spans)
        self._rows += len(spans)
        if self._rows > self._in_memory:
            self._write_out()

    def partitions(self) -> Iterator[pa.Table]:
        """Yield the spans; each trace is in exactly one table. Ends the use of `add`."""
        if not self._files:
            yield pa.concat_tables([SPAN_SCHEMA.empty_table(), *self._held])
            return
        self._write_out()
        for writer in self._writers:
            writer.close()
        for file in self._files:
            with pa.OSFile(str(file)) as source, pa.ipc.open_stream(source) as reader:
                yield reader.read_all()
            file.unlink()

    def _write_out(self) -> None:
        if not self._rows:
            return
        if not self._files:
            self._open()
        spans = pa.concat_tables(self._held).unify_dictionaries().combine_chunks()
        trace = words(spans.column("trace_id"), 16)
        # Only the lower half: some spans of a trace may have the upper half cut off.
        part = (hash_rows(trace[:, 1]) % np.uint64(self._count)).astype(np.int64)
        order = np.argsort(part, kind="stable")
        bounds = np.searchsorted(part[order], np.arange(self._count + 1))
        for number, writer in enumerate(self._writers):
            mine = spans.take(pa.array(order[bounds[number] : bounds[number + 1]]))
            writer.write_table(compacted(mine))
        self._held, self._rows = [], 0

    def _open(self) -> None:
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="agentguard-spool-")))
        self._files = [folder / f"{number}.arrows" for number in range(self._count)]
        for file in self._files:
            sink = self._stack.enter_context(pa.OSFile(str(file), "wb"))
            self._writers.append(pa.ipc.new_stream(sink, SPAN_SCHEMA))


def compacted(spans: pa.Table) -> pa.Table:
    """Drop unused dictionary entries, so that a part does not carry the whole dictionary."""
    columns = [
        _reencoded(column) if pa.types.is_dictionary(column.type) else column
        for column in spans.columns
    ]
    return pa.table(columns, schema=SPAN_SCHEMA)


def _reencoded(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    used, codes = np.unique(array.indices.to_numpy(), return_inverse=True)
    return pa.DictionaryArray.from_arrays(
        pa.array(codes.astype(np.int32)), array.dictionary.take(pa.array(used))
    )
