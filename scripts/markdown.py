"""Markdown for the generated pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table; cells may hold pipes and line breaks."""
    lines = [columns, ["---"] * len(columns), *rows]
    return ["|" + "|".join(_cell(text) for text in line) + "|" for line in lines]


def code(text: object) -> str:
    return f"`{text}`"


def _cell(text: str) -> str:
    words = " ".join(text.split()).replace("|", "\\|")
    return f" {words} " if words else " "
