"""Batching of concurrent calls: items that arrive during one call form the next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from agentguard.kernel.errors import UnavailableError

In = TypeVar("In")
Out = TypeVar("Out")


class ShuttingDownError(UnavailableError):
    """The server is shutting down and accepts nothing new."""

    code = "shutting-down"

    def __init__(self) -> None:
        super().__init__("AgentGuard is shutting down. Send this again after the restart.")


class Batcher(Generic[In, Out]):
    """Groups single items into calls of `work`.

    `work` returns one result or one exception per item, in order.
    """

    def __init__(
        self,
        work: Callable[[Sequence[In]], Awaitable[Sequence[Out | Exception]]],
        *,
        weigh: Callable[[In], int],
        most_items: int,
        most_weight: int,
    ) -> None:
        self._work, self._weigh = work, weigh
        self._most_items, self._most_weight = most_items, most_weight
        self._waiting: deque[tuple[In, asyncio.Future[Out]]] = deque()
        self._wake = asyncio.Event()
        self._closed = False

    async def submit(self, item: In) -> Out:
        """Return the item's result or raise its error.

        The item is processed even if the caller is cancelled.
        """
        if self._closed:
            raise ShuttingDownError
        future: asyncio.Future[Out] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._wake.set()
        return await future

    async def run(self) -> None:
        """Process items until closed and empty.

        Concurrent calls of `run` set the maximum number of concurrent calls of `work`.
        """
        while self._waiting or not self._closed:
            if self._waiting:
                await self._work_on(self._take())
            else:
                self._wake.clear()
                await self._wake.wait()

    def close(self) -> None:
        """Make `run` return once the queue is empty."""
        self._closed = True
        self._wake.set()

    def _take(self) -> list[tuple[In, asyncio.Future[Out]]]:
        taken = [self._waiting.popleft()]
        weight = self._weigh(taken[0][0])
        while self._waiting and len(taken) < self._most_items:
            weight += self._weigh(self._waiting[0][0])
            if weight > self._most_weight:
                break
            taken.append(self._waiting.popleft())
        return taken

    async def _work_on(self, taken: list[tuple[In, asyncio.Future[Out]]]) -> None:
        try:
            results = await self._work([item for item, _ in taken])
        # The waiting callers get the error; the loop must go on.
        except Exception as error:  # noqa: BLE001
            results = [error] * len(taken)
        for (_, future), result in zip(taken, results, strict=True):
            _resolve(future, result)


def _resolve(future: asyncio.Future[Out], result: Out | Exception) -> None:
    if future.done():  # the caller was cancelled
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
