"""Batching of concurrent calls: items that arrive during one call form the next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from agentguard.kernel.errors import UnavailableError

In = TypeVar("In")
Out = TypeVar("Out")


class ShuttingDownError(UnavailableError):
    """The server is shutting down and accepts nothing new."""

    code = "shutting-down"

    def __init__(self) -> None:
        super().__init__("AgentGuard is shutting down. Send this again after the restart.")


@dataclass(eq=False, slots=True)
class Ticket(Generic[In, Out]):
    """A submitted item and the place of its result."""

    item: In
    result: asyncio.Future[Out]
    committed: bool = False
    """Whether the item takes effect in any case: it cannot be withdrawn any more."""

    @property
    def withdrawn(self) -> bool:
        """Return whether the item's result is no longer wanted; it must not take effect."""
        return self.result.cancelled()

    def withdraw(self) -> bool:
        """Withdraw the item unless it is committed; return whether it is withdrawn."""
        if not self.committed:
            self.result.cancel()
        return self.withdrawn

    def resolve(self, result: Out | Exception) -> None:
        """Give the item its result, unless it is withdrawn or has one."""
        if self.result.done():
            return
        if isinstance(result, Exception):
            self.result.set_exception(result)
            self.result.exception()  # the caller may be gone
        else:
            self.result.set_result(result)


class Batcher(Generic[In, Out]):
    """Groups single items into calls of `work`, which resolves every ticket.

    `work` marks tickets as committed, without awaiting in between, before their items take effect.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Ticket[In, Out]]], Awaitable[None]],
        *,
        weigh: Callable[[In], int],
        most_items: int,
        most_weight: int,
    ) -> None:
        self._work, self._weigh = work, weigh
        self._most_items, self._most_weight = most_items, most_weight
        self._waiting: deque[Ticket[In, Out]] = deque()
        self._wake = asyncio.Event()
        self._closed = False

    async def submit(self, item: In, seconds: float) -> Out:
        """Return the item's result or raise its error.

        Raises TimeoutError if the item is not committed after so many seconds. Then, and if the
        caller is cancelled before that, the item is withdrawn: it is released and takes no effect.
        """
        if self._closed:
            raise ShuttingDownError
        ticket = Ticket[In, Out](item, asyncio.get_running_loop().create_future())
        self._waiting.append(ticket)
        self._wake.set()
        try:
            await asyncio.wait([ticket.result], timeout=seconds)
            if not ticket.result.done() and ticket.withdraw():
                raise TimeoutError
            return await asyncio.shield(ticket.result)
        finally:
            self._forget(ticket)

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

    def _forget(self, ticket: Ticket[In, Out]) -> None:
        ticket.withdraw()
        if ticket in self._waiting:
            self._waiting.remove(ticket)

    def _take(self) -> list[Ticket[In, Out]]:
        taken = [self._waiting.popleft()]
        weight = self._weigh(taken[0].item)
        while self._waiting and len(taken) < self._most_items:
            weight += self._weigh(self._waiting[0].item)
            if weight > self._most_weight:
                break
            taken.append(self._waiting.popleft())
        return taken

    async def _work_on(self, taken: list[Ticket[In, Out]]) -> None:
        try:
            await self._work(taken)
        # The waiting callers get the error; the loop must go on.
        except Exception as error:  # noqa: BLE001
            for ticket in taken:
                ticket.resolve(error)
