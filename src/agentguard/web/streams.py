"""Open event streams: when each checks for news, and how they end with the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from agentguard.coordination.notices import Notices

_LOOK_SECONDS = 5.0


def event_stream(events: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of a route that streams these events."""
    schema = {"type": "string", "description": f"Server-Sent Events {events}"}
    return {200: {"content": {"text/event-stream": {"schema": schema}}}}


@dataclass(slots=True)
class Streams:
    """The event streams of one server: notices say when to check the stores for news."""

    notices: Notices
    look_seconds: float = _LOOK_SECONDS
    """The longest time between two checks: notices may be lost."""
    _ended: bool = field(default=False, init=False)
    _waits: set[asyncio.Timeout] = field(default_factory=set, init=False)

    async def looks(self, topic: str, *, look_seconds: float | None = None) -> AsyncIterator[None]:
        """Yield at once, after each notice on the topic, and at least this often.

        End when the server stops.
        """
        async with self.notices.listen(topic) as heard:
            yield
            while await self._wait(
                heard, self.look_seconds if look_seconds is None else look_seconds
            ):
                yield

    def end(self) -> None:
        """End all streams, also those opened later; call it on the event loop."""
        self._ended = True
        for wait in self._waits:
            if not wait.expired():
                wait.reschedule(0)

    async def _wait(self, heard: AsyncIterator[str], seconds: float) -> bool:
        """Wait for the next check; return whether the stream continues."""
        if self._ended:
            return False
        try:
            async with asyncio.timeout_at(_next_multiple(seconds)) as wait:
                self._waits.add(wait)
                await anext(heard)
        except TimeoutError:
            pass
        finally:
            self._waits.discard(wait)
        return not self._ended


def _next_multiple(seconds: float) -> float:
    """Return when all streams check that check this often: together, so that they share reads."""
    return (asyncio.get_running_loop().time() // seconds + 1) * seconds
