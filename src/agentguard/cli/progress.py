"""Progress bars, on standard error and only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from agentguard.cli.output import console

_WORTH_A_BAR = 4 * 1024 * 1024
"""Bytes; fewer are read before a bar would be visible."""


@contextmanager
def bytes_read(paths: Sequence[Path]) -> Iterator[Callable[[int], None] | None]:
    """Show how much of these files has been read.

    Yield the callback for bytes read, or None where no bar is shown.
    """
    total = None if Path("-") in paths else sum(_sizes(paths))
    if not sys.stderr.isatty() or (total is not None and total < _WORTH_A_BAR):
        yield None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("Reading spans"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console(sys.stderr), transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda count: progress.advance(task, count)


def rows_copied() -> AbstractContextManager[Callable[[int, int], None]]:
    """Show how many rows have been copied; yield the callback (done, total)."""
    return counted("Copying rows")


@contextmanager
def counted(text: str) -> Iterator[Callable[[int, int], None]]:
    """Show how much of something is done; yield the callback (done, total)."""
    columns = (
        SpinnerColumn(),
        TextColumn(text),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console(sys.stderr), transient=True, disable=not sys.stderr.isatty()
    ) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def spinner(text: str) -> AbstractContextManager[object]:
    """Show the text while work goes on; nothing without a terminal."""
    return console(sys.stderr).status(text) if sys.stderr.isatty() else nullcontext()


@contextmanager
def steps(total: int) -> Iterator[Callable[[str], None]]:
    """Show the progress of several steps; yield the callback that starts the next one.

    Without a terminal, print one line per step.
    """
    screen = console(sys.stderr)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=screen, transient=True, disable=not sys.stderr.isatty()
    ) as progress:
        task = progress.add_task("", total=total)
        begun = 0

        def begin(step: str) -> None:
            nonlocal begun
            progress.update(task, completed=begun, description=step)
            begun += 1
            if not sys.stderr.isatty():
                screen.print(f"{step} …")

        yield begin


def _sizes(paths: Sequence[Path]) -> Iterator[int]:
    for path in paths:
        files = path.rglob("*") if path.is_dir() else [path]
        yield from (file.stat().st_size for file in files if file.is_file())
