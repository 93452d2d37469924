"""Many waiting callers, one call: what comes while a call is under way goes into the next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from agentguard.kernel.errors import UnavailableError

In = TypeVar("In")
Out = TypeVar("Out")


class ShuttingDownError(UnavailableError):
    """Nothing new is taken in."""

    code = "shutting-down"

    def __init__(self) -> None:
        super().__init__("AgentGuard is shutting down. Send this again when it is back.")


class Batcher(Generic[In, Out]):
    """Gathers single items into calls of `work`, which returns one answer, or one error, for each
    item in order.
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
        """Return the item's answer or raise its error.

        The work is done even if the caller does not wait for it.
        """
        if self._closed:
            raise ShuttingDownError
        future: asyncio.Future[Out] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._wake.set()
        return await future

    async def run(self) -> None:
        """Work until closed and empty.

        May run several times at once: then so many calls are under way at most.
        """
        while self._waiting or not self._closed:
            if self._waiting:
                await self._work_on(self._take())
            else:
                self._wake.clear()
                await self._wake.wait()

    def close(self) -> None:
        """Let `run` end once nothing waits."""
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
            answers = await self._work([item for item, _ in taken])
        # Whoever waits gets the error; this loop must serve the next ones.
        except Exception as error:  # noqa: BLE001
            answers = [error] * len(taken)
        for (_, future), answer in zip(taken, answers, strict=True):
            _settle(future, answer)


def _settle(future: asyncio.Future[Out], answer: Out | Exception) -> None:
    if future.done():  # the caller went away
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
