"""Messages for people, on standard error."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, redirect_stdout

from agentguard.graph.export.sanitizing import printable


def say(message: str) -> None:
    """Print a message on standard error; what a stranger wrote in it cannot act on the terminal."""
    text = "\n".join(printable(line) for line in message.split("\n"))
    sys.stderr.write(f"{encodable(text, sys.stderr.encoding)}\n")
    sys.stderr.flush()


def answers_only() -> AbstractContextManager[object]:
    """Keep standard output for the answer.

    What log lines and libraries print there goes to standard error meanwhile.
    """
    return redirect_stdout(sys.stderr)


def knows_unicode(encoding: str | None) -> bool:
    """Whether every character can be written in this encoding."""
    return (encoding or "ascii").lower().replace("-", "").startswith("utf")


def encodable(text: str, encoding: str | None) -> str:
    """Return the text with what the encoding cannot hold written as escapes."""
    return (
        text
        if knows_unicode(encoding)
        else text.encode(encoding or "ascii", "backslashreplace").decode(encoding or "ascii")
    )
