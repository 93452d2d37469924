"""Log events are words of ours.

Static, in snake_case, so that they can be searched for, and told to strangers.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
LEVELS = ("debug", "info", "warning", "error", "exception", "critical")
EVENT = re.compile(r"[a-z][a-z0-9_]{2,60}")


def logged(text: str) -> Iterator[ast.expr]:
    """Yield the event of each log call, and of each warning that may repeat."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name("log"), attr=level), args=[event, *_]
            ) if level in LEVELS:
                yield event
            case ast.Call(func=ast.Name("Repetition"), args=[event, *_]):
                yield event


def test_every_log_event_is_static_and_in_snake_case():
    events = [
        (path.name, event)
        for path in sorted(SOURCE.rglob("*.py"))
        if path.name != "repetition.py"  # it logs the events that it was made for
        for event in logged(path.read_text())
    ]

    odd = [
        (name, ast.unparse(e))
        for name, e in events
        if not (isinstance(e, ast.Constant) and EVENT.fullmatch(str(e.value)))
    ]

    assert len(events) > 10
    assert not odd
