"""Notices within one process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_MOST_UNHEARD = 100


class MemoryNotices:
    """Notices for the listeners in this process."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[_Listener]] = {}

    async def publish(self, topic: str, text: str) -> None:
        for listener in self._listeners.get(topic, ()):
            listener.hear(text)

    @asynccontextmanager
    async def listen(self, topic: str) -> AsyncIterator[AsyncIterator[str]]:
        listener = _Listener()
        self._listeners.setdefault(topic, set()).add(listener)
        try:
            yield listener
        finally:
            self._listeners[topic].discard(listener)
            if not self._listeners[topic]:
                del self._listeners[topic]


class _Listener(AsyncIterator[str]):
    """What was said to one listener.

    No generator: these end when a wait for the next is cancelled.
    """

    def __init__(self) -> None:
        self._unheard: deque[str] = deque(maxlen=_MOST_UNHEARD)
        self._spoken = asyncio.Event()

    def hear(self, text: str) -> None:
        self._unheard.append(text)
        self._spoken.set()

    async def __anext__(self) -> str:
        while not self._unheard:
            self._spoken.clear()
            await self._spoken.wait()
        return self._unheard.popleft()
