"""Messages on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO

from agentguard.graph.export.sanitizing import printable


class EscapedStream:
    """A stream that escapes control characters and invisible ones, except line breaks."""

    def __init__(self, stream: TextIO) -> None:
        self.unescaped = stream

    def write(self, text: str) -> int:
        self.unescaped.write(printable_lines(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unescaped, name)


@contextmanager
def escaped_output() -> Iterator[None]:
    """Escape everything that is printed, by whatever code, except what a Rich console draws.

    A console needs control characters itself; what it draws comes from `output.shown`.
    """
    out, err = EscapedStream(sys.stdout), EscapedStream(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        yield


def unescaped(stream: TextIO) -> TextIO:
    """Return the stream below an escaped one, or the stream itself."""
    return stream.unescaped if isinstance(stream, EscapedStream) else stream


def say(message: str) -> None:
    """Print a message on standard error, with control characters escaped."""
    sys.stderr.write(f"{encodable(printable_lines(message), sys.stderr.encoding)}\n")
    sys.stderr.flush()


def printable_lines(text: str) -> str:
    """Return the text with every invisible character escaped, except line breaks."""
    return "\n".join(map(printable, text.split("\n")))


def answers_only() -> AbstractContextManager[object]:
    """Redirect what log lines and libraries print on standard output to standard error."""
    return redirect_stdout(sys.stderr)


def knows_unicode(encoding: str | None) -> bool:
    """Return whether the encoding covers all of Unicode."""
    return (encoding or "ascii").lower().replace("-", "").startswith("utf")


def encodable(text: str, encoding: str | None) -> str:
    """Return the text, with escapes for characters that the encoding lacks."""
    return (
        text
        if knows_unicode(encoding)
        else text.encode(encoding or "ascii", "backslashreplace").decode(encoding or "ascii")
    )
