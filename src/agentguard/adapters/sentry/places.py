"""Where in the code something happened: file, function and line, and not one value."""

from __future__ import annotations

import linecache
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

_MOST = 100
_OUTERMOST = 10
_NAMELESS = frozenset(
    {"<module>", "<lambda>", "<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}
)
_WRITTEN = re.compile(
    r'^  File "(?P<file>[^"\n]+)", line (?P<line>\d+), in (?P<function>\S+)$', re.MULTILINE
)


def places(traceback: TracebackType | None) -> list[dict[str, Any]]:
    """Return the traceback as frames of Sentry's stack trace interface, outermost first.

    A very deep one without its middle.
    """
    return _bounded([_place(frame, line) for frame, line in _steps(traceback)])


def written_places(text: str) -> list[dict[str, Any]]:
    """Return the frames of a traceback that another process wrote.

    The text holds messages too, and a message can look like a frame: one is believed only if our
    code has such a place.
    """
    found = (
        (match["file"], match["function"], int(match["line"])) for match in _WRITTEN.finditer(text)
    )
    return _bounded(
        [
            _described(file, function, line, None)
            for file, function, line in found
            if _is_there(file, function, line)
        ]
    )


def _steps(traceback: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _place(frame: FrameType, line: int) -> dict[str, Any]:
    module = frame.f_globals.get("__name__")
    return _described(
        frame.f_code.co_filename,
        frame.f_code.co_name,
        line,
        module if module in sys.modules else None,
    )


def _described(file: str, function: str, line: int, module: str | None) -> dict[str, Any]:
    name = _relative(file)
    ours = name.startswith("agentguard/")
    return {"filename": name, "function": function, "lineno": line, "in_app": ours} | (
        {"module": module} if module else {}
    )


def _relative(file: str) -> str:
    """Return the file's path below where it was imported from.

    Where that is tells of people and machines.
    """
    folders = [folder for folder in sys.path if folder and file.startswith(f"{folder}/")]
    return file.removeprefix(f"{max(folders, key=len)}/") if folders else Path(file).name


def _is_there(file: str, function: str, line: int) -> bool:
    if not file.endswith(".py") or not any(
        folder and file.startswith(f"{folder}/") for folder in sys.path
    ):
        return False
    lines = linecache.getlines(file)
    known = function in _NAMELESS or any(
        re.search(rf"\b(?:def|class) {re.escape(function)}\b", each) for each in lines
    )
    return known and line <= len(lines)


def _bounded(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return frames if len(frames) <= _MOST else [*frames[:_OUTERMOST], *frames[_OUTERMOST - _MOST :]]
