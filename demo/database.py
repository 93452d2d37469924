"""The SQLite database of a demo system."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.counting import Counts


@dataclass(frozen=True, slots=True)
class Database:
    """One system's database, opened by one tool."""

    path: Path
    name: str
    tool: str
    counts: Counts

    def run(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one statement in a transaction of its own and return its rows."""
        edge = f"tool:{self.tool}", f"datastore:{self.name}"
        try:
            with (
                closing(sqlite3.connect(self.path, factory=_named(self.name))) as connection,
                connection,
            ):
                rows = connection.cursor().execute(statement, parameters).fetchall()
        except sqlite3.Error:
            self.counts.called(*edge, failed=True)
            raise
        self.counts.called(*edge, failed=False)
        return rows


def create_database(path: Path, schema: str) -> None:
    """Create the file and fill it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema)


def _named(name: str) -> type[sqlite3.Connection]:
    # SQLite knows files, not names of databases; the DB-API instrumentation reads the name from the
    # connection's attribute.
    return type("NamedConnection", (sqlite3.Connection,), {"database": name})
