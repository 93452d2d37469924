"""Notices within one process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_MAX_PENDING = 100


class MemoryNotices:
    """Notices for the listeners in this process."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[_Listener]] = {}

    async def publish(self, topic: str, text: str) -> None:
        for listener in self._listeners.get(topic, ()):
            listener.push(text)

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
    """The pending notices of one listener.

    Not a generator, because cancelling a wait would end it.
    """

    def __init__(self) -> None:
        self._pending: deque[str] = deque(maxlen=_MAX_PENDING)
        self._arrived = asyncio.Event()

    def push(self, text: str) -> None:
        self._pending.append(text)
        self._arrived.set()

    async def __anext__(self) -> str:
        while not self._pending:
            self._arrived.clear()
            await self._arrived.wait()
        return self._pending.popleft()
