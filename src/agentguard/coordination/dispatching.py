"""Handles outbox entries: at least once, in order per key, by any number of processes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import structlog

from agentguard.compute.tasks import task_group
from agentguard.coordination.outbox import MOST_AHEAD, OutboxEntry, OutboxStores
from agentguard.kernel.clock import NS_PER_SECOND, Clock
from agentguard.kernel.errors import AgentGuardError, UnavailableError
from agentguard.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)

Handler: TypeAlias = Callable[[OutboxEntry], Awaitable[None]]
"""Does what an entry asks for; idempotent, since it may run twice. If it raises, it runs again."""


class PostponedError(Exception):
    """Not a failure: a handler has nothing to do before `until` (ns since the epoch).

    It may be called earlier, where `until` is far ahead.
    """

    def __init__(self, until: int) -> None:
        super().__init__()
        self.until = until


_LONGEST_PAUSE_SECONDS = 60
_LOOK_SECONDS = 1.0
_WAIT_SECONDS = 0.05


@dataclass(slots=True)
class Dispatcher:
    """Handles the entries of the topics that it has handlers for."""

    unit_of_work: UnitOfWork[OutboxStores]
    handlers: Mapping[str, Handler]
    clock: Clock
    claim_seconds: float = 15.0
    """A process that dies while it handles an entry delays it for so long; see `_renew`."""
    _failures: dict[str, str] = field(default_factory=dict)
    """Topic → the failure that was logged last: a repeated one is logged once."""

    async def run(self) -> None:
        """Handle what is due, also what other processes left behind, until cancelled."""
        while True:
            await self.handle_due()
            await asyncio.sleep(_LOOK_SECONDS)

    async def deliver(self, *topics: str) -> None:
        """Handle what is due of these topics; entries that another process claimed are its own.

        Never raises what a handler or an unreachable database raises: the entries stay, and `run`
        of any process tries again.
        """
        try:
            await self._handle_due(topics)
        except (UnavailableError, OSError) as error:
            log.warning("outbox_not_drained", error=str(error))

    async def drain(self, *topics: str) -> bool:
        """Handle what is due of these topics; return whether nothing of them is left.

        Waits for entries that another process is handling. Never raises what a handler or an
        unreachable database raises: the entries stay, and `run` of any process tries again.
        """
        try:
            return await self._drain(topics)
        except (UnavailableError, OSError) as error:
            log.warning("outbox_not_drained", error=str(error))
            return False

    async def handle_due(self) -> None:
        """Handle all that is due; never raises."""
        try:
            await self._handle_due(tuple(self.handlers))
        except (UnavailableError, OSError) as error:
            self._note("outbox", error)
        # The outermost frame of a loop: the next look tries again.
        except Exception:
            log.exception("outbox_failed")

    async def _drain(self, topics: Collection[str]) -> bool:
        latest = time.monotonic() + self.claim_seconds
        while True:
            await self._handle_due(topics)
            left = await self.unit_of_work.read(lambda stores: stores.outbox.waiting(topics))
            if not any(map(self._is_claimed, left)) or time.monotonic() > latest:
                return not left
            await asyncio.sleep(_WAIT_SECONDS)

    def _is_claimed(self, entry: OutboxEntry) -> bool:
        return entry.claimed_until is not None and entry.claimed_until > self.clock()

    async def _handle_due(self, topics: Collection[str]) -> None:
        while (entry := await self._claimed(topics)) is not None:
            await self._handle(entry)

    async def _claimed(self, topics: Collection[str]) -> OutboxEntry | None:
        """Claim the next entry; looking first spares an idle process the write lock."""
        while True:
            now = self.clock()
            due = await self.unit_of_work.read(partial(_due, topics, now))
            if due is None:
                return None
            claimed = await self._claim(due, now)
            if claimed is not None:
                return claimed

    async def _claim(self, due: OutboxEntry, now: int) -> OutboxEntry | None:
        return await self.unit_of_work.run(
            lambda stores: stores.outbox.claim(due, now=now, until=now + self._claim_ns)
        )

    async def _handle(self, entry: OutboxEntry) -> None:
        try:
            async with task_group() as tasks:
                renewing = tasks.create_task(self._renew(entry))
                try:
                    await self.handlers[entry.topic](entry)
                finally:
                    renewing.cancel()
        except asyncio.CancelledError:
            await asyncio.shield(self._postpone(entry, self.clock()))
            raise
        except PostponedError as postponed:
            latest = self.clock() + MOST_AHEAD
            await self._postpone(entry, min(postponed.until, latest))
        # The outermost frame of a handler: the entry stays, whatever went wrong, and is retried.
        except Exception as error:  # noqa: BLE001 - logged by _note
            self._note(entry.topic, error)
            await self._postpone(entry, self.clock() + _pause(entry.attempts))
        else:
            self._failures.pop(entry.topic, None)
            await self.unit_of_work.run(lambda stores: stores.outbox.remove(entry))

    async def _renew(self, entry: OutboxEntry) -> None:
        """Keep the claim while the handler works; whoever loses it finds out at the end."""
        while True:
            await asyncio.sleep(self.claim_seconds / 3)
            until = self.clock() + self._claim_ns
            with contextlib.suppress(UnavailableError, OSError):  # the next renewal may do
                await self.unit_of_work.run(partial(_extend, entry, until))

    async def _postpone(self, entry: OutboxEntry, due_at: int) -> None:
        await self.unit_of_work.run(lambda stores: stores.outbox.postpone(entry, due_at))

    @property
    def _claim_ns(self) -> int:
        return int(self.claim_seconds * NS_PER_SECOND)

    def _note(self, topic: str, error: Exception) -> None:
        kind = type(error).__name__
        if self._failures.get(topic) == kind:
            return
        self._failures[topic] = kind
        if isinstance(error, OSError | AgentGuardError):
            log.warning("outbox_entry_postponed", topic=topic, error=str(error))
        else:
            log.error("outbox_handler_failed", topic=topic, exc_info=error)


def _pause(attempts: int) -> int:
    """Return how long to wait after so many attempts, in ns: 1 s, 2 s, 4 s … at most a minute."""
    return min(1 << min(attempts - 1, 6), _LONGEST_PAUSE_SECONDS) * NS_PER_SECOND


async def _due(topics: Collection[str], now: int, stores: OutboxStores) -> OutboxEntry | None:
    return await stores.outbox.due(topics, now)


async def _extend(entry: OutboxEntry, until: int, stores: OutboxStores) -> bool:
    return await stores.outbox.extend(entry, until)
