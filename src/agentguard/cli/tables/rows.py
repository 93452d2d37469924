"""Tables that fit the terminal.

Numbers are never cut, names are shortened, and the least important columns are dropped first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

ROWS = 20
"""Rows of a table without --full; one line counts the rest."""

_GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """One column; in a narrow terminal the highest `dispensable` is dropped first, 0 never."""

    title: str
    right: bool = False
    room: int | None = None
    """Smallest width of a column that can shrink; None where it cannot."""
    wraps: bool = False
    dispensable: int = 0


def text(title: str) -> Column:
    """Return a column of short words, never cut."""
    return Column(title)


def number(title: str) -> Column:
    """Return a column of numbers, never cut."""
    return Column(title, right=True)


def names(title: str) -> Column:
    """Return a column of names, shortened where there is no room."""
    return Column(title, room=18)


def sentences(title: str) -> Column:
    """Return a column of sentences, wrapped where there is no room."""
    return Column(title, room=32, wraps=True)


def dispensable(column: Column, order: int = 1) -> Column:
    """Return the column as one that may be dropped."""
    return replace(column, dispensable=order)


class Rows:
    """A table that fits the console's width, cut after `top` rows; None shows all."""

    def __init__(
        self,
        columns: Sequence[Column],
        rows: Sequence[Sequence[str | Text]],
        *,
        top: int | None = None,
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
            yield Text(left_out(self._left_out), style="dim")

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
        """Return each column's width: numbers in full, names an equal share of what is left.

        Names shorter than their share leave the rest to longer ones.
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


def left_out(count: int) -> str:
    """Return the line that stands for rows which are not shown."""
    return f"… and {count:,} more; --full shows all."


def _plain(cell: str | Text) -> str:
    return cell.plain if isinstance(cell, Text) else cell
