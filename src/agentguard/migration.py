"""Updating the database's tables, and copying SQLite into PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agentguard.adapters.files.runs import share_runs
from agentguard.adapters.sql.copying import copy, count_rows
from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.migrating import HEAD, migrate_postgresql, migrate_sqlite
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.adapters.sql.sqlite import FILE_NAME
from agentguard.bootstrap.wiring import POSTGRESQL, make_folder, postgresql, runs_folder
from agentguard.kernel.errors import InvalidInputError, NotFoundError
from agentguard.service_urls import is_postgresql
from agentguard.settings import Settings

Progress = Callable[[int, int], None]
"""Called with the number of rows copied so far and the total."""


class NothingToCopyError(NotFoundError):
    """There is no SQLite file in the data directory."""

    code = "nothing-to-copy"


class TargetURLError(InvalidInputError):
    """The target of a copy is not a PostgreSQL URL."""

    code = "bad-target-url"

    def __init__(self) -> None:
        super().__init__(
            "The target is not a PostgreSQL URL. Write it like"
            " postgresql://user:password@host:5432/agentguard."
        )


@dataclass(frozen=True, slots=True)
class Migrated:
    """The result of a migration."""

    place: str
    revision_before: str | None
    """None for an empty database."""
    copied: dict[str, int] | None = None
    """Rows by table, if SQLite was copied into it."""

    def document(self) -> dict[str, Any]:
        """Return the document of `agentguard migrate --format json`."""
        return {
            "database": self.place,
            "revision_before": self.revision_before,
            "revision": HEAD,
            "copied": self.copied,
        }


def migrate(settings: Settings) -> Migrated:
    """Create or update the tables of the configured database.

    Raise the errors of opening it.
    """
    server = postgresql(settings)
    if server is not None:
        return Migrated(server.place, asyncio.run(migrate_postgresql(server)))
    make_folder(settings.data_dir)
    path = settings.data_dir / FILE_NAME
    return Migrated(str(path), migrate_sqlite(path))


def copy_to(settings: Settings, url: str, progress: Progress) -> Migrated:
    """Copy the data directory's SQLite database into PostgreSQL.

    Raise TargetURLError, NothingToCopyError or DatabaseNotEmptyError.
    """
    path = settings.data_dir / FILE_NAME
    if not is_postgresql(url):
        raise TargetURLError
    if not path.exists():
        raise NothingToCopyError(
            f"There is no database {str(path)!r}. Set the data directory with --data-dir."
        )
    here, there = runs_folder(settings.data_dir), runs_folder(settings.data_dir, POSTGRESQL)
    share_runs(here, there)  # before the rows, so that a reader of a row finds its runs
    migrated = asyncio.run(_copy(settings, PostgreSQL(url), progress))
    share_runs(here, there)  # again: a server may have deleted runs that had no row yet as orphans
    return migrated


async def _copy(settings: Settings, server: PostgreSQL, progress: Progress) -> Migrated:
    before = await migrate_postgresql(server)
    async with (
        open_database(settings.data_dir) as source,
        open_database(settings.data_dir, server, hurried=False) as target,
    ):
        total = sum((await count_rows(source)).values())
        done = 0

        def tell(_table: str, rows: int) -> None:
            nonlocal done
            done += rows
            progress(done, total)

        return Migrated(server.place, before, await copy(source, target, tell))
