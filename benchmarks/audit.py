"""Compare the audit log with plain inserts of the same rows, and time proofs in a large log.

`python -m benchmarks.audit` appends entries in SQLite, 100 to a transaction, and in PostgreSQL (the
one that AGENTGUARD_BENCH_DATABASE_URL names, or a server that it starts), one to a transaction. The
baseline makes and hashes the same entries and inserts their rows with the driver alone, into a
table with the same columns and indexes. Then it measures how long entries are pending, checks a
whole log, and reads and computes proofs in a tree of 1,000,000 leaves.
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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeAlias

import asyncpg

from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.entries import Actor, Event, SealedEntry, seal
from agentguard.audit.keys import SigningKey
from agentguard.audit.merkle import (
    consistency_nodes,
    consistency_proof,
    inclusion_nodes,
    inclusion_proof,
    leaf_hash,
)
from agentguard.audit.recording import AuditTrail
from agentguard.audit.sequencing import Sequencer
from agentguard.audit.service import AuditService
from agentguard.audit.store import AuditLog, AuditStores
from agentguard.audit.stored_tree import stored_hashes
from agentguard.audit.tiles import Tile, edge_tiles, grow
from agentguard.kernel.clock import system_clock
from benchmarks import pending
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


Insert: TypeAlias = Callable[[Sequence[int]], Awaitable[None]]
"""Inserts entries of these numbers in one transaction."""
Seconds: TypeAlias = list[float]
"""Of one transaction each."""


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


@asynccontextmanager
async def plain_sqlite(folder: Path) -> AsyncIterator[Insert]:
    """Yield the baseline in SQLite, as durable as AgentGuard."""
    with closing(sqlite3.connect(folder / "plain.db", isolation_level=None)) as connection:
        connection.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {_SQLITE}")
        marks = ", ".join("?" * len(_COLUMNS))
        statement = f"INSERT INTO plain_entries ({', '.join(_COLUMNS)}) VALUES ({marks})"  # noqa: S608

        async def insert(numbers: Sequence[int]) -> None:
            rows = [_sqlite_row(made(number)) for number in numbers]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(statement, rows)
            connection.execute("COMMIT")

        yield insert


def _sqlite_row(sealed: SealedEntry) -> tuple[object, ...]:
    entry = sealed.entry
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(entry.time_ns // 10**9))
    named = (entry.actor.id, entry.action, entry.object_id)
    return (moment, *named, sealed.leaf, sealed.payload, sealed.salt)


@asynccontextmanager
async def plain_postgresql(url: str) -> AsyncIterator[Insert]:
    """Yield the baseline in PostgreSQL, as isolated as AgentGuard.

    One connection that stays open, no pool and a prepared statement: the least that an application
    can do with this driver, three round trips.
    """
    connection = await asyncpg.connect(url)
    try:
        for statement in ("DROP TABLE IF EXISTS plain_entries", *_POSTGRESQL.split(";")):
            await connection.execute(statement)
        await connection.execute(_SERIALIZABLE)
        prepared = await connection.prepare(
            f"INSERT INTO plain_entries ({', '.join(_COLUMNS)})"  # noqa: S608
            " VALUES (to_timestamp($1), $2, $3, $4, $5, $6, $7)"
        )

        async def insert(numbers: Sequence[int]) -> None:
            rows = [_postgresql_row(made(number)) for number in numbers]
            async with connection.transaction():
                await prepared.executemany(rows)

        yield insert
    finally:
        await connection.close()


def _postgresql_row(sealed: SealedEntry) -> tuple[object, ...]:
    entry = sealed.entry
    named = (entry.actor.id, entry.action, entry.object_id)
    return (entry.time_ns / 1e9, *named, sealed.leaf, sealed.payload, sealed.salt)


async def interleaved(
    insert: Insert, append: Insert, total: int, together: int
) -> tuple[Seconds, Seconds]:
    """Return the seconds of each, in turns: what else runs on the machine slows both alike."""
    inserting, appending = list[float](), list[float]()
    for numbers in batches(total, together):
        inserting.append(await timed(partial(insert, numbers)))
        appending.append(await timed(partial(append, numbers)))
    return inserting, appending


def compared(title: str, total: int, plain: Seconds, append: Seconds, sequence: float) -> bool:
    """Print how appending compares with plain inserts; return whether it is quick enough.

    The median transactions decide: a pause of the disk in one of them says nothing.
    """
    inserting, appending, ratio = sum(plain), sum(append), median(append) / median(plain)
    print(f"{title}: {total:,} entries")
    print(f"  plain inserts      {total / inserting:10,.0f} entries/s")
    print(f"  appended           {total / appending:10,.0f} entries/s")
    print(f"  cost               {ratio:10.2f} x (medians; {appending / inserting:.2f} x in all)")
    whole = (appending + sequence) / inserting
    print(f"  sequenced          {total / sequence:10,.0f} entries/s  (both: {whole:.2f} x in all)")
    return ratio <= MOST_RATIO


async def in_sqlite(total: int, together: int) -> bool:
    with tempfile.TemporaryDirectory(prefix="agentguard-bench-") as name:
        folder = Path(name)
        async with open_database(folder) as database, plain_sqlite(folder) as insert:
            log = Log(SqlUnitOfWork(database, system_clock))
            plain, append = await interleaved(insert, log.append, total, together)
            sequence = await timed(log.sequence)
    return compared(f"SQLite, {together} to a transaction", total, plain, append, sequence)


async def in_postgresql(url: str, total: int) -> bool:
    server = PostgreSQL(url, pool_size=5, timeout_seconds=60)
    async with open_database(Path(), server) as database, plain_postgresql(url) as insert:
        log = Log(SqlUnitOfWork(database, system_clock))
        await interleaved(insert, log.append, 20, 1)  # both are connected
        await log.sequence()
        plain, append = await interleaved(insert, log.append, total, 1)
        sequence = await timed(log.sequence)
    return compared("PostgreSQL, one to a transaction", total, plain, append, sequence)


async def in_large_logs(entries: int, proven: int, samples: int) -> bool:
    """Fill and check a log, prove entries of a larger one; return whether proofs are quick."""
    with tempfile.TemporaryDirectory(prefix="agentguard-bench-") as name:
        async with open_database(Path(name)) as database:
            await check(Log(SqlUnitOfWork(database, system_clock)), entries)
    with tempfile.TemporaryDirectory(prefix="agentguard-bench-") as name:
        async with open_database(Path(name)) as database:
            return await prove(Log(SqlUnitOfWork(database, system_clock)), proven, samples)


async def check(log: Log, total: int) -> None:
    filled = await timed(lambda: fill(log, total))
    before = resident_mib()
    checked = await timed(lambda: whole(log.service, total))
    print(f"SQLite, a log of {total:,} entries")
    print(f"  appended, signed   {total / filled:10,.0f} entries/s")
    print(f"  fsck               {total / checked:10,.0f} entries/s")
    print(f"  resident memory    {before:10.0f} MiB before fsck, {resident_mib():.0f} after")


async def prove(log: Log, total: int, samples: int) -> bool:
    await log.unit_of_work.run(lambda stores: build(stores.audit, total))
    before = resident_mib()
    inclusion, consistency = await proofs(log, total, samples)
    print(f"SQLite, a tree of {total:,} leaves: {samples} proofs of each kind, read and computed")
    print(f"  inclusion proof    {inclusion}")
    print(f"  consistency proof  {consistency}")
    print(f"  resident memory    {before:10.0f} MiB before, {resident_mib():.0f} after")
    return inclusion.cpu <= MOST_INCLUSION_MS and consistency.cpu <= MOST_CONSISTENCY_MS


async def fill(log: Log, total: int) -> None:
    for numbers in batches(total, 5000):
        await log.append(numbers)
        await log.sequence()


async def build(log: AuditLog, total: int) -> None:
    """Store the tiles of a tree, whose leaves stand nowhere."""
    size, edge = 0, dict[Tile, bytes]()
    for numbers in batches(total, 16_384):
        grown = grow(size, edge, [leaf_hash(b"%d" % number) for number in numbers])
        await log.put_tiles(grown.tiles)
        kept = {**grown.tiles, **edge}
        edge = {tile: kept[tile] for tile in edge_tiles(grown.size)}
        size = grown.size


@dataclass(frozen=True)
class Took:
    """Milliseconds of a proof."""

    median: float
    fastest: float
    cpu: float
    """Mean, of all threads: what it takes where nothing else runs."""

    def __str__(self) -> str:
        wall = f"{self.median:.2f} ms (median; fastest {self.fastest:.2f})"
        return f"{wall:>34}, {self.cpu:.2f} ms of CPU time"


async def proofs(log: Log, total: int, samples: int) -> tuple[Took, Took]:
    """Return what inclusion and consistency proofs took, each in a transaction of its own."""
    chance = random.Random(1)
    indexes = [chance.randrange(total) for _ in range(samples)]

    async def inclusion(index: int, stores: AuditStores) -> None:
        stored = await stored_hashes(stores.audit, inclusion_nodes(index, total), total)
        inclusion_proof(index, total, stored)

    async def consistency(index: int, stores: AuditStores) -> None:
        stored = await stored_hashes(stores.audit, consistency_nodes(index + 1, total), total)
        consistency_proof(index + 1, total, stored)

    kinds = (inclusion, consistency)
    read = log.unit_of_work.read
    took = [await all_of([partial(read, partial(kind, i)) for i in indexes]) for kind in kinds]
    return took[0], took[1]


async def all_of(works: Sequence[Callable[[], Awaitable[object]]]) -> Took:
    for work in works[:20]:  # statements are compiled once
        await work()
    began = time.process_time()
    seconds = [await timed(work) for work in works]
    cpu = (time.process_time() - began) / len(works)
    return Took(1000 * median(seconds), 1000 * min(seconds), 1000 * cpu)


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
    await pending.report(said.pending)
    held.append(await in_large_logs(said.checked, said.proven, said.samples))
    return all(held)


def main() -> int:
    """Measure; return 1 if something is slower than it should be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=__doc__)
    parser.add_argument("--sqlite", type=int, default=50_000, help="entries appended in SQLite")
    parser.add_argument("--together", type=int, default=100, help="entries per transaction there")
    parser.add_argument("--postgresql", type=int, default=3_000, help="entries in PostgreSQL")
    parser.add_argument("--pending", type=float, default=60, help="seconds of single entries")
    parser.add_argument("--checked", type=int, default=50_000, help="entries that fsck checks")
    parser.add_argument("--proven", type=int, default=1_000_000, help="leaves that proofs are of")
    parser.add_argument("--samples", type=int, default=300, help="proofs of each kind")
    return 0 if asyncio.run(measure(parser.parse_args())) else 1


if __name__ == "__main__":
    sys.exit(main())
