"""The result of a migration."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, section
from agentguard.cli.tables.rows import Rows, number, text

_COLUMNS = (text("Table"), number("Rows"))


def migration_parts(document: Document) -> list[RenderableType]:
    """Return the database, its schema revision and the rows copied."""
    return [Text(_sentence(document)), *_copied(document)]


def _sentence(document: Document) -> str:
    place, before, after = document["database"], document["revision_before"], document["revision"]
    if before is None:
        return f"{place}: created all tables (schema {after})."
    if before == after:
        return f"{place}: up to date (schema {after})."
    return f"{place}: migrated from schema {before} to {after}."


def _copied(document: Document) -> list[RenderableType]:
    if document["copied"] is None:
        return []
    rows: list[list[str | Text]] = [
        [table, f"{count:,}"] for table, count in document["copied"].items()
    ]
    return [section("Copied", Rows(_COLUMNS, rows))]
