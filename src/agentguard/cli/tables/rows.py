"""Tables that fit.

Numbers are never cut, names are shortened, the least important columns give way first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

MAX_ROWS = 200
"""Rows shown of one table; the rest is counted, and in the JSON document."""

_GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `dispensable` ones give way in a narrow terminal, the highest number first."""

    title: str
    right: bool = False
    room: int | None = None
    """Width that a column which can shrink should at least get; None where it cannot shrink."""
    wraps: bool = False
    dispensable: int = 0


def text(title: str) -> Column:
    """Return a column of short words, never cut."""
    return Column(title)


def number(title: str) -> Column:
    """Return a column of numbers, never cut."""
    return Column(title, right=True)


def names(title: str) -> Column:
    """Return a column of names, cut where there is no room."""
    return Column(title, room=18)


def sentences(title: str) -> Column:
    """Return a column of sentences, broken into lines where there is no room."""
    return Column(title, room=32, wraps=True)


def dispensable(column: Column, order: int = 1) -> Column:
    """Return the column as one that gives way."""
    return replace(column, dispensable=order)


class Rows:
    """A table of texts that fits itself to the width that it is given."""

    def __init__(
        self,
        columns: Sequence[Column],
        rows: Sequence[Sequence[str | Text]],
        *,
        top: int = MAX_ROWS,
    ) -> None:
        self._columns = columns
        self._rows = rows[:top]
        self._left_out = len(rows) - len(self._rows)
        cells = [[cell_len(_plain(row[i])) for row in self._rows] for i in range(len(columns))]
        self._widths = [
            max([cell_len(c.title), *found]) for c, found in zip(columns, cells, strict=True)
        ]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        kept = self._fitting(options.max_width)
        yield self._table(kept, self._shared_out(kept, options.max_width))
        if self._left_out:
            yield Text(f"… and {self._left_out:,} more.", style="dim")

    def _fitting(self, width: int) -> list[int]:
        kept = list(range(len(self._columns)))
        while self._least_width(kept) > width:
            order, last = max((self._columns[i].dispensable, i) for i in kept)
            if not order:
                break
            kept.remove(last)
        return kept

    def _least_width(self, kept: Sequence[int]) -> int:
        widths = [min(self._widths[i], self._columns[i].room or self._widths[i]) for i in kept]
        return sum(widths) + _GAP * (len(widths) - 1)

    def _shared_out(self, kept: Sequence[int], width: int) -> dict[int, int]:
        """Return each column's width.

        What numbers need, and for names an equal share of the rest, which short ones leave to long
        ones.
        """
        widths = {i: self._widths[i] for i in kept if self._columns[i].room is None}
        room = width - sum(widths.values()) - _GAP * (len(kept) - 1)
        waiting = sorted(
            (i for i in kept if self._columns[i].room is not None), key=lambda i: self._widths[i]
        )
        for position, i in enumerate(waiting):
            widths[i] = max(1, min(self._widths[i], room // (len(waiting) - position)))
            room -= widths[i]
        return widths

    def _table(self, kept: Sequence[int], widths: dict[int, int]) -> Table:
        made = Table(
            box=box.SIMPLE_HEAD,
            padding=(0, _GAP - 1, 0, 0),
            pad_edge=False,
            show_edge=False,
            header_style="bold",
        )
        for i in kept:
            column = self._columns[i]
            made.add_column(
                column.title,
                justify="right" if column.right else "left",
                no_wrap=not column.wraps,
                overflow="fold" if column.wraps else "ellipsis",
                width=widths[i],
            )
        for row in self._rows:
            made.add_row(*(row[i] for i in kept))
        return made


def _plain(cell: str | Text) -> str:
    return cell.plain if isinstance(cell, Text) else cell
