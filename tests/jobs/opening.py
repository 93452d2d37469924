"""Jobs over a real database, with functions that tests give."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentguard.accounts.principal import Permission
from agentguard.adapters.sql.database import open_database
from agentguard.jobs.attempts import Attempts, JobFunction, Work
from agentguard.jobs.model import Job
from agentguard.jobs.queue import Jobs
from agentguard.jobs.transactions import JobTransactions
from agentguard.kernel.clock import NS_PER_SECOND
from tests.acting import TESTER
from tests.conformance.job_stores import job_transactions

START = 1_800_000_000 * NS_PER_SECOND
LEASE_SECONDS = 30.0


class Clock:
    """Stands still until a test moves it."""

    now = START

    def __call__(self) -> int:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += int(seconds * NS_PER_SECOND)


@dataclass
class Opened:
    """One process's view of the jobs."""

    jobs: Jobs
    attempts: Attempts
    clock: Clock

    @property
    def store(self) -> JobTransactions:
        return self.jobs.store

    async def submit(self, kind: str = "work", **request: Any) -> Job:
        return await self.jobs.submit(TESTER, kind, request)


@asynccontextmanager
async def opened(
    directory: Path,
    run: JobFunction | None = None,
    *,
    clear=None,
    clock: Clock | None = None,
    most: int = 3,
    lease: float = LEASE_SECONDS,
) -> AsyncIterator[Opened]:
    clock = clock or Clock()
    works = {} if run is None else {"work": Work(run, clear) if clear else Work(run)}
    async with open_database(directory) as database:
        store = job_transactions(database, clock=clock)
        permissions = {"work": Permission.OPERATE, "scan": Permission.OPERATE}
        yield Opened(
            Jobs(store, clock, permissions), Attempts(store, works, clock, most, lease), clock
        )


async def until(question: Callable[[], Awaitable[Any]], *, seconds: float = 20) -> Any:
    """Ask until the answer is true, and return it."""
    async with asyncio.timeout(seconds):
        while not (answer := await question()):  # noqa: ASYNC110 - the answer is in the database
            await asyncio.sleep(0.01)
    return answer
