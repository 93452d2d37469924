"""Messages on standard error."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, redirect_stdout

from agentguard.graph.export.sanitizing import printable


def say(message: str) -> None:
    """Print a message on standard error, with control characters escaped."""
    text = "\n".join(printable(line) for line in message.split("\n"))
    sys.stderr.write(f"{encodable(text, sys.stderr.encoding)}\n")
    sys.stderr.flush()


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
