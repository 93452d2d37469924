"""A stored log that tests append to, sequence, check and tamper with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from agentguard.adapters.sql.database import Database, open_database
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.keys import SigningKey, VerifierKey
from agentguard.audit.recording import AuditTrail
from agentguard.audit.rotation import KeyRotation
from agentguard.audit.sequencing import Sequencer
from agentguard.audit.service import AuditService
from agentguard.kernel.clock import system_clock
from tests.acting import TESTER
from tests.databases import empty_database

KEY = SigningKey("example.com/log", bytes(range(32)))
NEXT_KEY = SigningKey("example.com/log", bytes(range(1, 33)))


@dataclass(frozen=True)
class Log:
    database: Database
    unit_of_work: SqlUnitOfWork
    sequencer: Sequencer
    service: AuditService

    async def append(self, *objects: str, action: str = "dataset.deleted") -> None:
        async def work(stores) -> None:
            for each in objects:
                await AuditTrail().record(
                    stores.audit, TESTER, action, object_id=each, payload={"name": each}
                )

        await self.unit_of_work.run(work)

    async def tamper(self, statement: str, **values: object) -> None:
        async def work(connection) -> None:
            assert (await connection.execute(text(statement), values)).rowcount

        await self.database.write(work)

    async def rotate(self, old: SigningKey, new: SigningKey) -> None:
        await KeyRotation(self.unit_of_work, system_clock).rotate(TESTER, old, new)

    def sequencer_with(self, *keys: SigningKey) -> Sequencer:
        """Return the sequencer of a process that read the first key, and can read all of them."""
        return Sequencer(self.unit_of_work, keys[0], system_clock, lambda: keys)

    async def problems(self, key: VerifierKey | None = None) -> list[tuple[str, str]]:
        _, found = await self.service.check(key)
        return [(each.place, each.problem) for each in found]


@asynccontextmanager
async def open_log(kind: str, folder: Path) -> AsyncIterator[Log]:
    """Open an empty log in SQLite or PostgreSQL."""
    async with empty_database(kind) as server, open_database(folder, server) as database:
        unit = SqlUnitOfWork(database, system_clock)
        yield Log(database, unit, Sequencer(unit, KEY, system_clock), AuditService(unit))
