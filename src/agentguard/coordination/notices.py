"""The port to notices: what one process tells all others, at once, with no promise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Notices(Protocol):
    """Says that something changed, so that who waits can look.

    A notice may be lost: who must know looks now and then anyhow.

    The text is a hint, no truth: others may share what carries it. What counts stands in the
    stores.
    """

    async def publish(self, topic: str, text: str) -> None:
        """Tell who listens to the topic, in any process.

        In this one also while what joins them is away. Never raises, waits for nobody.
        """

    def listen(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Give the notices of this topic from now on, each once, a publisher's in its order.

        A listener that is too slow loses the oldest.

        The iterator waits, and goes on waiting while the service behind it is away. Waiting may be
        cancelled and taken up again.
        """
