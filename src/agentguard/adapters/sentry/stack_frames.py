"""Stack frames with file, function and line, and without values."""

from __future__ import annotations

import linecache
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

_MAX_FRAMES = 100
_OUTERMOST_FRAMES = 10
_ANONYMOUS = frozenset(
    {"<module>", "<lambda>", "<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}
)
_FRAME_LINE = re.compile(
    r'^  File "(?P<file>[^"\n]+)", line (?P<line>\d+), in (?P<function>\S+)$', re.MULTILINE
)


def stack_frames(traceback: TracebackType | None) -> list[dict[str, Any]]:
    """Return the traceback as frames of Sentry's stack trace interface, outermost first.

    The middle of a very deep traceback is left out.
    """
    return _bounded([_frame(frame, line) for frame, line in _traceback_entries(traceback)])


def parse_frames(text: str) -> list[dict[str, Any]]:
    """Return the frames of a traceback that another process formatted.

    The text contains messages too, and a message can look like a frame: a frame is accepted only
    if that function and line exist in an importable file.
    """
    found = (
        (match["file"], match["function"], int(match["line"]))
        for match in _FRAME_LINE.finditer(text)
    )
    return _bounded(
        [
            _as_frame(file, function, line, None)
            for file, function, line in found
            if _exists(file, function, line)
        ]
    )


def _traceback_entries(traceback: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _frame(frame: FrameType, line: int) -> dict[str, Any]:
    module = frame.f_globals.get("__name__")
    return _as_frame(
        frame.f_code.co_filename,
        frame.f_code.co_name,
        line,
        module if module in sys.modules else None,
    )


def _as_frame(file: str, function: str, line: int, module: str | None) -> dict[str, Any]:
    name = _relative(file)
    ours = name.startswith("agentguard/")
    return {"filename": name, "function": function, "lineno": line, "in_app": ours} | (
        {"module": module} if module else {}
    )


def _relative(file: str) -> str:
    """Return the file's path relative to its import root.

    Absolute paths can reveal names of users and hosts.
    """
    folders = [folder for folder in sys.path if folder and file.startswith(f"{folder}/")]
    return file.removeprefix(f"{max(folders, key=len)}/") if folders else Path(file).name


def _exists(file: str, function: str, line: int) -> bool:
    if not file.endswith(".py") or not any(
        folder and file.startswith(f"{folder}/") for folder in sys.path
    ):
        return False
    lines = linecache.getlines(file)
    known = function in _ANONYMOUS or any(
        re.search(rf"\b(?:def|class) {re.escape(function)}\b", each) for each in lines
    )
    return known and line <= len(lines)


def _bounded(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return (
        frames
        if len(frames) <= _MAX_FRAMES
        else [*frames[:_OUTERMOST_FRAMES], *frames[_OUTERMOST_FRAMES - _MAX_FRAMES :]]
    )
