"""Compare the audit log with plain inserts of the same rows, and time proofs in a large log.

`python -m benchmarks.audit` appends entries in SQLite, 100 to a transaction, and in PostgreSQL (the
one that AGENTGUARD_BENCH_DATABASE_URL names, or a server that it starts), one to a transaction. The
baseline makes and hashes the same entries and inserts their rows with the driver alone, into a
table with the same columns and indexes. Then it fills a log in SQLite with 1,000,000 entries, times
proofs from it, and checks it whole.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import asyncpg

from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.entries import Actor, Event, SealedEntry, seal
from agentguard.audit.keys import SigningKey
from agentguard.audit.merkle import leaf_hash
from agentguard.audit.recording import AuditTrail
from agentguard.audit.sequencing import Sequencer
from agentguard.audit.service import AuditService
from agentguard.kernel.clock import system_clock
from scripts.services.postgresql import postgresql

KEY = SigningKey("bench.example/log", bytes(range(32)))
MOST_RATIO, MOST_INCLUSION_MS, MOST_CONSISTENCY_MS = 2.0, 2.0, 5.0
_COLUMNS = ("time", "actor", "action", "object", "leaf", "payload", "salt")
_TABLE = """
CREATE TABLE plain_entries ({id}, log_index BIGINT UNIQUE, time {time} NOT NULL,
    actor VARCHAR NOT NULL, action VARCHAR NOT NULL, object VARCHAR, leaf {bytes} NOT NULL,
    payload {bytes}, salt {bytes});
CREATE INDEX plain_time ON plain_entries (time);
CREATE INDEX plain_actor ON plain_entries (actor);
CREATE INDEX plain_action ON plain_entries (action);
CREATE INDEX plain_object ON plain_entries (object);
CREATE INDEX plain_unsequenced ON plain_entries (id) WHERE log_index IS NULL;
CREATE INDEX plain_payload ON plain_entries (time) WHERE payload IS NOT NULL
"""
_SQLITE = _TABLE.format(id="id INTEGER PRIMARY KEY AUTOINCREMENT", time="TIMESTAMP", bytes="BLOB")
_SERIALIZABLE = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE"
_POSTGRESQL = _TABLE.format(id="id BIGSERIAL PRIMARY KEY", time="TIMESTAMPTZ", bytes="BYTEA")


def event(number: int) -> Event:
    facts = {"components": 12, "dependencies": 34, "spans": number}
    actor = Actor("api-key:bootstrap", "api_key")
    return Event(actor, "scan.stored", f"dataset-{number % 97}", f"v{number}", (), facts)


def made(number: int) -> SealedEntry:
    """Make an entry as the baseline does: canonical, and hashed."""
    sealed = seal(event(number), time_ns=system_clock(), salt=os.urandom(32))
    leaf_hash(sealed.leaf)
    return sealed


def batches(total: int, size: int) -> list[range]:
    return [range(start, min(start + size, total)) for start in range(0, total, size)]


class Log:
    """The audit log of AgentGuard in an open database."""

    def __init__(self, unit_of_work: SqlUnitOfWork) -> None:
        self.unit_of_work = unit_of_work
        self.service = AuditService(unit_of_work)
        self._trail, self._sequencer = AuditTrail(), Sequencer(unit_of_work, KEY, system_clock)

    async def append(self, numbers: Sequence[int]) -> None:
        events = [event(number) for number in numbers]
        await self.unit_of_work.run(lambda s: self._trail.record_all(s.audit, events))

    async def sequence(self) -> None:
        await self._sequencer.run_once()


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def plain_sqlite(folder: Path, total: int, together: int) -> float:
    """Return the seconds of the baseline in SQLite, as durable as AgentGuard."""
    with closing(sqlite3.connect(folder / "plain.db", isolation_level=None)) as connection:
        connection.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {_SQLITE}")
        marks = ", ".join("?" * len(_COLUMNS))
        statement = f"INSERT INTO plain_entries ({', '.join(_COLUMNS)}) VALUES ({marks})"  # noqa: S608
        began = time.perf_counter()
        for numbers in batches(total, together):
            rows = [_sqlite_row(made(number)) for number in numbers]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(statement, rows)
            connection.execute("COMMIT")
        return time.perf_counter() - began


def _sqlite_row(sealed: SealedEntry) -> tuple[object, ...]:
    entry = sealed.entry
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(entry.time_ns // 10**9))
    named = (entry.actor.id, entry.action, entry.object_id)
    return (moment, *named, sealed.leaf, sealed.payload, sealed.salt)


async def plain_postgresql(url: str, total: int) -> float:
    """Return the seconds of the baseline in PostgreSQL: one entry per transaction."""
    connection = await asyncpg.connect(url)
    try:
        for statement in ("DROP TABLE IF EXISTS plain_entries", *_POSTGRESQL.split(";")):
            await connection.execute(statement)
        await connection.execute(_SERIALIZABLE)
        insert = await connection.prepare(
            f"INSERT INTO plain_entries ({', '.join(_COLUMNS)})"  # noqa: S608
            " VALUES (to_timestamp($1), $2, $3, $4, $5, $6, $7)"
        )
        began = time.perf_counter()
        for number in range(total):
            sealed = made(number)
            entry = sealed.entry
            named = (entry.actor.id, entry.action, entry.object_id)
            stored = (sealed.leaf, sealed.payload, sealed.salt)
            async with connection.transaction():
                await insert.fetch(entry.time_ns / 1e9, *named, *stored)
        return time.perf_counter() - began
    finally:
        await connection.close()


async def appended(log: Log, total: int, together: int) -> tuple[float, float]:
    """Return the seconds of appending, and of sequencing what was appended."""

    async def append() -> None:
        for numbers in batches(total, together):
            await log.append(numbers)

    return await timed(append), await timed(log.sequence)


def compared(title: str, total: int, plain: float, append: float, sequence: float) -> bool:
    """Print how appending compares with plain inserts; return whether it is quick enough."""
    ratio = append / plain
    print(f"{title}: {total:,} entries")
    print(f"  plain inserts      {total / plain:10,.0f} entries/s")
    print(f"  appended           {total / append:10,.0f} entries/s  ({ratio:.2f} x the cost)")
    whole = (append + sequence) / plain
    print(f"  sequenced          {total / sequence:10,.0f} entries/s  (both: {whole:.2f} x)")
    return ratio <= MOST_RATIO


async def in_sqlite(total: int, together: int) -> bool:
    with tempfile.TemporaryDirectory(prefix="agentguard-bench-") as name:
        plain = await plain_sqlite(Path(name), total, together)
        async with open_database(Path(name)) as database:
            log = Log(SqlUnitOfWork(database, system_clock))
            append, sequence = await appended(log, total, together)
    return compared(f"SQLite, {together} to a transaction", total, plain, append, sequence)


async def in_postgresql(url: str, total: int) -> bool:
    plain = await plain_postgresql(url, total)
    server = PostgreSQL(url, pool_size=5, timeout_seconds=60)
    async with open_database(Path(), server) as database:
        log = Log(SqlUnitOfWork(database, system_clock))
        await log.append([0])  # connected, like the baseline
        append, sequence = await appended(log, total, 1)
    return compared("PostgreSQL, one to a transaction", total, plain, append, sequence)


async def large(total: int, samples: int) -> bool:
    """Fill a log, time its proofs and check it; return whether the proofs are quick enough."""
    with tempfile.TemporaryDirectory(prefix="agentguard-bench-") as name:
        async with open_database(Path(name)) as database:
            log = Log(SqlUnitOfWork(database, system_clock))
            await log.append([0])
            await log.sequence()
            before = resident_mib()
            filled = await timed(lambda: fill(log, total))
            inclusion, consistency = await proofs(log.service, total, samples)
            proven = resident_mib()
            checked = await timed(lambda: whole(log.service, total))
    print(f"SQLite, a log of {total:,} entries")
    print(f"  filled             {total / filled:10,.0f} entries/s")
    print(f"  inclusion proof    {inclusion:10.2f} ms (entry, checkpoint and proof; median)")
    print(f"  consistency proof  {consistency:10.2f} ms (median)")
    print(f"  checked            {total / checked:10,.0f} entries/s")
    memory = f"{before:.0f} MiB at first, {proven:.0f} filled, {resident_mib():.0f} at the end"
    print(f"  resident memory    {memory}")
    return inclusion <= MOST_INCLUSION_MS and consistency <= MOST_CONSISTENCY_MS


async def fill(log: Log, total: int) -> None:
    for numbers in batches(total - 1, 5000):
        await log.append(numbers)
        await log.sequence()


async def proofs(service: AuditService, total: int, samples: int) -> tuple[float, float]:
    """Return the median milliseconds of an inclusion and a consistency proof."""
    chance = random.Random(1)
    indexes = [chance.randrange(total) for _ in range(samples)]
    inclusion = [await timed(partial(service.bundle, i)) for i in indexes]
    consistency = [await timed(partial(service.consistency, i + 1, total)) for i in indexes]
    return 1000 * median(inclusion), 1000 * median(consistency)


async def whole(service: AuditService, total: int) -> None:
    if await service.check(KEY.verifier) != (total, ()):
        raise AssertionError("the log does not agree with itself")


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def postgresql_url() -> Iterator[str]:
    """Yield the URL of the server that is set, or of one of its own."""
    if (url := os.environ.get("AGENTGUARD_BENCH_DATABASE_URL")) is not None:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="agentguard-bench-") as folder:
        Path(folder).chmod(0o755)  # the server runs as a user without rights
        server = postgresql(Path(folder))
        server.start()
        try:
            yield next(iter(server.settings.values()))
        finally:
            server.stop()


async def measure(said: argparse.Namespace) -> bool:
    held = [await in_sqlite(said.sqlite, said.together)]
    with postgresql_url() as url:
        held.append(await in_postgresql(url, said.postgresql))
    if said.entries:
        held.append(await large(said.entries, said.samples))
    return all(held)


def main() -> int:
    """Measure; return 1 if something is slower than it should be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=__doc__)
    parser.add_argument("--sqlite", type=int, default=50_000, help="entries appended in SQLite")
    parser.add_argument("--together", type=int, default=100, help="entries per transaction there")
    parser.add_argument("--postgresql", type=int, default=3_000, help="entries in PostgreSQL")
    parser.add_argument("--entries", type=int, default=1_000_000, help="size of the large log")
    parser.add_argument("--samples", type=int, default=300, help="proofs of each kind")
    return 0 if asyncio.run(measure(parser.parse_args())) else 1


if __name__ == "__main__":
    sys.exit(main())
