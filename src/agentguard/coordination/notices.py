"""The port to notices: best-effort messages from one process to all others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Notices(Protocol):
    """Change notifications, so that listeners know when to read a store again.

    A notice can be lost: a listener that must not miss a change also polls. The text is a hint and
    not to be trusted, because the channel may be shared; the stores are authoritative.
    """

    async def publish(self, topic: str, text: str) -> None:
        """Notify the listeners of a topic in every process.

        Local listeners are notified even while the channel is unavailable. Never raises, and does
        not wait for listeners.
        """

    def listen(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Yield an iterator over the notices of a topic from now on.

        Each notice arrives once, and those of one publisher in order. A slow listener loses the
        oldest. The iterator keeps waiting while the channel is unavailable; a wait can be
        cancelled and resumed.
        """
