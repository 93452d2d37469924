"""Datasets, and what a purge deleted."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, faint, plural, section
from agentguard.cli.tables.rows import Rows, number, text

_DATASETS = (
    text("Dataset"),
    text("Newest version"),
    text("Written"),
    number("Components"),
    number("Versions"),
    number("KiB"),
)
_DELETED = (text("Kind"), number("Deleted"))


def datasets_parts(document: Document) -> list[RenderableType]:
    """Return the datasets."""
    rows: list[list[str | Text]] = [
        [
            each["name"],
            each["graph_version"],
            str(each["created_at"] or ""),
            f"{each['total_components']:,}",
            f"{each['versions']:,}",
            f"{each['bytes'] / 1024:,.0f}",
        ]
        for each in document["datasets"]
    ]
    if not rows:
        return [faint("There is no dataset. Store one with `agentguard scan --dataset NAME`.")]
    return [section(plural(len(rows), "dataset"), Rows(_DATASETS, rows))]


def purge_parts(deleted: Mapping[str, int]) -> list[RenderableType]:
    """Return the number of deleted items of each kind."""
    rows: list[list[str | Text]] = [[kind, f"{count:,}"] for kind, count in deleted.items()]
    return [section("Purged", Rows(_DELETED, rows))]
