"""The port to where spans are kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.traces.window import TimeWindow

U64 = NDArray[np.uint64]


class Encoding(StrEnum):
    """How a delivery's body is written."""

    PROTOBUF = "protobuf"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One OTLP export request, unpacked, as it came."""

    body: bytes
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class SpanBatch:
    """Deliveries, and all spans in them that can be used."""

    deliveries: tuple[Delivery, ...]
    spans: pa.Table
    """SPAN_SCHEMA."""


class SpanSource(Protocol):
    """Some spans at rest; pickles, so that a worker process can read them."""

    def tables(self, traces: U64 | None = None) -> Iterator[pa.Table]:
        """Yield the spans in tables (SPAN_SCHEMA) of bounded size.

        With `traces`, those whose trace ids have one of these lower halves.
        """

    def traces_touching(self, window: TimeWindow) -> U64:
        """Return the lower halves (words) of the ids of all traces with a span in the window.

        Opens nothing that cannot have any.
        """


@dataclass(frozen=True, slots=True)
class Window:
    """The spans received since some moment."""

    sources: tuple[SpanSource, ...]
    key: str
    """Equal keys, equal spans: so nothing is computed twice."""


class SpanStore(Protocol):
    """Spans in order of arrival, deliveries kept as they come.

    Whoever reads drops duplicates by trace id and span id.
    """

    async def append(self, batch: SpanBatch) -> None:
        """Keep all of it.

        Durable once this returns; raise SpansNotStoredError, and keep nothing, otherwise.
        """

    async def compact(self) -> bool:
        """Bring everything appended so far into the form that windows read, and delete the bodies.

        Return whether there was anything.

        Killed at any moment, it loses and doubles nothing.
        """

    async def ping(self) -> None:
        """Return if spans could be made durable now; raise what stands in the way otherwise."""

    def window(self, received_since: int) -> AbstractAsyncContextManager[Window]:
        """The settled spans received at this time (ns) or later, to the hour.

        They stay readable inside the context.
        """

    async def expire(self, received_before: int) -> int:
        """Delete spans received before this time (ns), to the hour.

        Return how many sources went.
        """
