"""Opened applications, whose transactions fail on demand."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from agentguard.adapters.files.runs import FileRunStore
from agentguard.adapters.sql.database import Database
from agentguard.adapters.sql.tables import metadata
from agentguard.audit.store import AuditLog, StoredEntry
from agentguard.bootstrap.app import App
from agentguard.kernel.clock import NS_PER_HOUR, system_clock


class FailedAtTheEndError(Exception):
    """The last statement of a transaction failed."""


@dataclass(frozen=True)
class Opened:
    """An application, and its database as people could see it."""

    app: App
    database: Database
    directory: Path

    async def content(self, but: frozenset[str] = frozenset()) -> dict[str, list[tuple[Any, ...]]]:
        """Return the rows of every table, except of those tables."""
        async with self.database.reading() as connection:
            return {
                table.name: [tuple(row) for row in await connection.execute(select(table))]
                for table in metadata.sorted_tables
                if table.name not in but
            }

    def files(self) -> set[str]:
        return {path.name for path in self.directory.rglob("*.parquet*")}


async def entries(opened: Opened) -> tuple[StoredEntry, ...]:
    async def every(stores: Any) -> tuple[StoredEntry, ...]:
        log: AuditLog = stores.audit
        return (*await log.range(0, await log.size()), *await log.unsequenced(100))

    return await opened.app.audit.unit_of_work.read(every)


class Statements:
    """Counts the writing statements of a database, and lets one of them fail."""

    def __init__(self, fails: int) -> None:
        self.seen, self._fails = 0, fails

    def __call__(self, _connection: Any, _cursor: Any, statement: str, *_rest: object) -> None:
        if statement.split(maxsplit=1)[0].upper() in ("INSERT", "UPDATE", "DELETE"):
            self.seen += 1
            if self.seen == self._fails:
                raise FailedAtTheEndError


@contextmanager
def failing_after(opened: Opened, count: int) -> Iterator[Statements]:
    unit_of_work: Any = opened.app.graphs.unit_of_work
    engine, statements = unit_of_work.database.engine.sync_engine, Statements(count)
    event.listen(engine, "after_cursor_execute", statements)
    try:
        with suppress(FailedAtTheEndError):
            yield statements
    finally:
        event.remove(engine, "after_cursor_execute", statements)


async def check_atomic(
    opened: Opened, call: Callable[[], Awaitable[object]], *, but: frozenset[str] = frozenset()
) -> int:
    """Let each writing statement of a call fail in turn; return how many there are.

    Nothing is left then, except in the tables `but`.
    """
    before, files = await opened.content(but), opened.files()
    for count in itertools.count(1):
        with failing_after(opened, count) as statements:
            await call()
        if statements.seen < count:
            return statements.seen
        assert await opened.content(but) == before
        await sweep_of_tomorrow(opened)
        assert opened.files() == files
    raise AssertionError


def counted_writes(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return a list that grows with each write transaction."""
    write, seen = Database.write, list[object]()

    async def counting(self: Database, work: Callable[[Any], Awaitable[Any]]) -> Any:
        seen.append(work)
        return await write(self, work)

    monkeypatch.setattr(Database, "write", counting)
    return seen


async def sweep_of_tomorrow(opened: Opened) -> None:
    """Sweep as a server that starts when no writer of today can be alive."""
    run_store = FileRunStore(
        opened.app.graphs.run_store.folder,  # type: ignore[attr-defined]  # it is in files
        lambda: system_clock() + 24 * NS_PER_HOUR,
    )
    await replace(opened.app.graphs, run_store=run_store).sweep()
