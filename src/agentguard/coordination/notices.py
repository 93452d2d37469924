"""The port to notices: what one process tells all others, at once, with no promise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Notices(Protocol):
    """Says that something changed, so that who waits can look. A notice may be lost: who must know looks now and then anyhow."""

    async def publish(self, topic: str, text: str) -> None:
        """Tell who listens to the topic, in any process. Never raises, never waits for a listener."""

    def listen(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Give the notices of this topic from now on; a listener that is too slow loses the oldest.

        The iterator waits, and goes on waiting while the service behind it is away.
        """
