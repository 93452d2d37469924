"""The port of the span store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.traces.damage import DamagedFile
from agentguard.traces.window import TimeWindow

U64 = NDArray[np.uint64]


class Encoding(StrEnum):
    """Serialization of a delivery's body."""

    PROTOBUF = "protobuf"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One OTLP export request, decompressed but not decoded."""

    body: bytes
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class SpanBatch:
    """Deliveries with all their valid spans."""

    deliveries: tuple[Delivery, ...]
    spans: pa.Table
    """SPAN_SCHEMA."""


class SpanSource(Protocol):
    """Stored spans; picklable, so that a pool process can read them.

    Immutable and hashable: equal sources hold equal spans.
    """

    def tables(self, traces: U64 | None = None) -> Iterator[pa.Table]:
        """Yield the spans in tables (SPAN_SCHEMA) of bounded size.

        `traces` selects traces by the lower halves of their ids.
        """

    def traces_touching(self, window: TimeWindow) -> U64:
        """Return the lower id halves (words) of all traces with a span in the window.

        Skips files whose time range does not overlap the window.
        """


@dataclass(frozen=True, slots=True)
class Window:
    """The spans received since a given time."""

    sources: tuple[SpanSource, ...]
    key: str
    """Cache key: windows with equal keys hold equal spans."""
    left_out: int = 0
    """Spans received in the window that are beyond the limit."""


class SpanReader(Protocol):
    """Stored spans, for reading only.

    Reading a damaged or foreign file raises DamagedSpansError.
    """

    def window(
        self, received_since: int, *, most_spans: int | None = None
    ) -> AbstractAsyncContextManager[Window]:
        """The compacted spans received at this time (ns) or later, to the hour.

        They stay readable inside the context. With `most_spans`, those received last, to the file.
        """

    async def set_aside(self, found: DamagedFile) -> None:
        """Keep the file where no window reads it; harmless if it is gone. Raises OSError."""


class SpanStore(SpanReader, Protocol):
    """Spans in order of arrival, deliveries stored unmodified.

    Readers deduplicate by trace id and span id.
    """

    async def append(self, batch: SpanBatch) -> None:
        """Store the batch.

        Durable once this returns. Raises SpansNotStoredError and stores nothing otherwise.
        """

    async def compact(self) -> bool:
        """Convert everything appended so far to the format that windows read; delete the bodies.

        Returns whether there was anything to convert. Crash-safe: a kill at any point neither
        loses nor duplicates spans.
        """

    async def ping(self) -> None:
        """Raise if spans could not be stored durably now."""

    async def damaged(self) -> Sequence[DamagedFile]:
        """Return the files that were set aside, oldest first; raises OSError."""
