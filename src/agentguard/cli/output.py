"""Standard output: a JSON document, plain text or a report."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.text import Text

from agentguard.cli.messages import encodable, knows_unicode, unescaped
from agentguard.graph.export.sanitizing import printable, shorten

_PIPE_WIDTH = 120
"""Columns where the output is not a terminal and COLUMNS is not set."""

_WIDEST = 140
_LONGEST = 400
"""Characters of one name or sentence in a report; JSON has them in full."""

_PLAIN = str.maketrans("→←…×–’·●✓↺█░▁▂▃▄▅▆▇", "><~x-'-*v@#.1234567")
"""Replacements of one character each, so that columns stay aligned without Unicode."""


def print_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document on standard output, in ASCII: safe for any terminal and encoding."""
    sys.stdout.write(json_text(document))
    sys.stdout.flush()


def json_text(document: Mapping[str, Any]) -> str:
    """Return the document as JSON for a file or a program."""
    return json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def print_text(text: str) -> None:
    """Print text for programs on standard output."""
    sys.stdout.write(encodable(text, sys.stdout.encoding))


def print_report(parts: Iterable[RenderableType]) -> None:
    """Print the parts on standard output, with an empty line between them."""
    screen = console(sys.stdout)
    for number, part in enumerate(parts):
        if number:
            screen.print()
        screen.print(part)


def print_lines(lines: Iterable[Text]) -> None:
    """Print each text on standard output as one line, however wide."""
    screen = console(sys.stdout)
    for line in lines:
        screen.print(line, soft_wrap=True)


def console(stream: TextIO) -> Console:
    """Return a console without markup or emoji codes, limited to the stream's encoding."""
    stream = unescaped(stream)
    unicode = knows_unicode(stream.encoding)
    screen = _Screen(
        # Rich asks for IO[str] and only writes to it.
        file=stream if unicode else _PlainStream(stream),  # type: ignore[arg-type]
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=False,
    )
    screen.width = (
        min(screen.width, _WIDEST) if stream.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    )
    return screen


def shown(value: Any) -> Any:
    """Return the document with every string safe to print; presenters take nothing else."""
    if isinstance(value, str):
        return shorten(
            encodable(printable(shorten(value, _LONGEST)), sys.stdout.encoding), _LONGEST
        )
    if isinstance(value, Mapping):
        return {shown(key): shown(item) for key, item in value.items()}
    return [shown(item) for item in value] if isinstance(value, list | tuple) else value


class _Screen(Console):
    """Rich's console, except that BrokenPipeError reaches the outermost frame."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class _PlainStream:
    """A stream without Unicode: each character is replaced with the nearest plain one."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding

    def write(self, text: str) -> int:
        return self._stream.write(encodable(text.translate(_PLAIN), self.encoding))

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()
