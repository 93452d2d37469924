"""Work that one of several processes does: its lease, renewed in the background."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from agentguard.compute.tasks import task_group
from agentguard.coordination.leases import LeaseStores, Processes
from agentguard.kernel.errors import AgentGuardError, UnavailableError
from agentguard.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)

LEASE_SECONDS = 9.0
"""How long another host waits for a process that died; three renewals fit in."""
_RENEWALS = 3
"""Renewals per lease duration."""


@dataclass(slots=True)
class Turn:
    """One process's claim to the work of one name."""

    name: str
    unit_of_work: UnitOfWork[LeaseStores]
    processes: Processes
    _renewed_at: float = field(default=float("-inf"), init=False)
    _done_at: float | None = field(default=None, init=False)
    _since: float = field(default_factory=time.monotonic, init=False)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Acquire or renew the lease regularly inside, also during long work; release it then."""
        async with task_group() as tasks:
            renewing = tasks.create_task(self._renew())
            try:
                yield
            finally:
                renewing.cancel()
                await asyncio.shield(self.release())

    async def hold(self) -> bool:
        """Return whether this process has the lease, which it acquires or renews if necessary.

        The lease of a process that has died on this host is taken over at once. Raises
        UnavailableError, OSError.
        """
        return self._is_fresh() or await self._claim() or await self._succeed()

    async def done(self) -> None:
        """Record that the work is complete as of now; raises UnavailableError."""
        self._done_at = time.monotonic()
        if not self._is_fresh():
            await self._claim()

    async def age(self) -> float:
        """Return how many seconds ago the work was last complete, whichever process did it.

        Before the first time, the seconds since this process started. Raises UnavailableError.
        """
        since_done = await self.unit_of_work.read(
            lambda stores: stores.leases.seconds_since_done(self.name)
        )
        return time.monotonic() - self._since if since_done is None else since_done

    async def release(self) -> None:
        """Let another process go on at once; if that fails, it finds out that this one died."""
        self._renewed_at = float("-inf")
        with contextlib.suppress(OSError, AgentGuardError):
            await self.unit_of_work.run(
                lambda stores: stores.leases.release(self.name, self.processes.name)
            )

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._renewed_at < LEASE_SECONDS / _RENEWALS

    async def _claim(self) -> bool:
        asked_at = time.monotonic()
        done_ago = None if self._done_at is None else asked_at - self._done_at
        held = await self.unit_of_work.run(
            lambda stores: stores.leases.hold(
                self.name, self.processes.name, LEASE_SECONDS, done_ago=done_ago
            )
        )
        self._renewed_at = asked_at if held else float("-inf")
        if not held:
            self._done_at = None
        return held

    async def _succeed(self) -> bool:
        """Take over from a holder that died on this host."""
        holder = await self.unit_of_work.read(lambda stores: stores.leases.holder(self.name))
        if holder is None or not await asyncio.to_thread(self.processes.is_dead, holder):
            return False
        log.info("lease_of_dead_process_taken", lease=self.name, holder=holder)
        await self.unit_of_work.run(lambda stores: stores.leases.release(self.name, holder))
        return await self._claim()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / _RENEWALS)
            # The next renewal may succeed; the rounds of the work report what is wrong.
            with contextlib.suppress(UnavailableError, OSError):
                await self.hold()
