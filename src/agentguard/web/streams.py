"""Open streams.

When each should look whether there is something new to tell, and their end with the server's.
"""

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
    """The streams of one server.

    What they tell stands in the stores; notices say when to look there.
    """

    notices: Notices
    look_seconds: float = _LOOK_SECONDS
    """A stream looks at least this often, since notices may be lost."""
    _ended: bool = field(default=False, init=False)
    _waits: set[asyncio.Timeout] = field(default_factory=set, init=False)

    async def looks(self, topic: str, *, look_seconds: float | None = None) -> AsyncIterator[None]:
        """Yield whenever it is time to look.

        At once, after each notice on the topic, and this often; end when the server does.
        """
        async with self.notices.listen(topic) as heard:
            yield
            while await self._wait(
                heard, self.look_seconds if look_seconds is None else look_seconds
            ):
                yield

    def end(self) -> None:
        """Let all streams end, those that are open and those that are opened yet.

        Call it on the event loop.
        """
        self._ended = True
        for wait in self._waits:
            if not wait.expired():
                wait.reschedule(0)

    async def _wait(self, heard: AsyncIterator[str], seconds: float) -> bool:
        """Wait until it is time to look; return whether the stream goes on."""
        if self._ended:
            return False
        try:
            async with asyncio.timeout(seconds) as wait:
                self._waits.add(wait)
                await anext(heard)
        except TimeoutError:
            pass
        finally:
            self._waits.discard(wait)
        return not self._ended
