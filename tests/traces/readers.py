"""Span readers for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agentguard.traces.damage import DamagedFile
from agentguard.traces.store import Window


class NoSpans:
    """A SpanReader of an empty store."""

    @asynccontextmanager
    async def window(
        self,
        received_since: int,
        *,
        most_spans: int | None = None,
    ) -> AsyncIterator[Window]:
        yield Window((), "none")

    async def set_aside(self, found: DamagedFile) -> None:
        raise AssertionError(found)
