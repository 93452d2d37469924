"""JSON in files: one value per line, or one value over many lines.

In bounded memory, faults with their line.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from agentguard.ingest import detection
from agentguard.ingest.errors import UnreadableInputError
from agentguard.ingest.payloads import DocumentPayload, Refusal

MAX_VALUE_BYTES = 128 << 20
"""The longest JSON value, on one line or over many. Parsed, it takes several times as much memory.
"""

_SEARCHED_LINES = 1000

Line = tuple[int, bytes]
"""A line's number from 1, and its bytes: none for a line that is longer than the longest value."""


def payloads(
    chunks: Iterable[bytes], origin: str, *, strict: bool
) -> Iterator[DocumentPayload | Refusal]:
    """Yield what the text holds; a line that cannot be used is one refusal, the others are used.

    Not strict: a text that is empty, or whose first value holds no traces, yields nothing. Where
    nothing can be used, or the text breaks off, UnreadableInputError is raised after what is whole.
    """
    lines = _lines(chunks)
    first = next(lines, None)
    if first is None:
        if strict:
            raise UnreadableInputError("empty-file", "There is nothing in it.")
        return
    try:
        value = value_of([first])
    except UnreadableInputError:
        yield from _document_payloads(itertools.chain([first], lines), origin, strict=strict)
        return
    if strict or detection.holds_traces(value):
        yield from detection.payloads(value, f"{origin}:{first[0]}")
        yield from _line_payloads(lines, origin)


def value_of(lines: Sequence[Line]) -> Any:
    """Return the JSON value that stands on these lines.

    Raise UnreadableInputError that says where it is wrong.
    """
    if not all(data for _, data in lines) or _size(lines) > MAX_VALUE_BYTES:
        raise _too_large()
    try:
        return orjson.loads(
            lines[0][1] if len(lines) == 1 else b"\n".join(data for _, data in lines)
        )
    except orjson.JSONDecodeError as error:
        raise _fault(error, lines[min(error.lineno, len(lines)) - 1][0]) from error


def _size(lines: Iterable[Line]) -> int:
    return sum(len(data) + 1 for _, data in lines) - 1


def _fault(error: orjson.JSONDecodeError, line: int) -> UnreadableInputError:
    place = f"line {line}, column {error.colno}"
    if "depth" in error.msg:
        return UnreadableInputError(
            "too-deep", f"The JSON is nested deeper than 1024 levels ({place})."
        )
    if "UTF-8" in error.msg:
        return UnreadableInputError(
            "not-utf8", f"The text is not UTF-8 ({place}); convert it first."
        )
    return UnreadableInputError("not-json", f"The JSON is broken ({place}): {error.msg}.")


def _too_large() -> UnreadableInputError:
    limit = f"{MAX_VALUE_BYTES >> 20} MiB"
    return UnreadableInputError(
        "value-too-large",
        f"A JSON value is longer than {limit}; split it, or write one request per line.",
    )


def _line_payloads(lines: Iterable[Line], origin: str) -> Iterator[DocumentPayload | Refusal]:
    for line in lines:
        place = f"{origin}:{line[0]}"
        try:
            value = value_of([line])
        except UnreadableInputError as error:
            yield error.refusal(place)
            continue
        if type(value) is dict and type(value.get("resourceSpans")) is list:
            yield DocumentPayload(place, value, own_ids=False)
        else:
            yield from detection.payloads(value, place)


def _document_payloads(
    lines: Iterator[Line], origin: str, *, strict: bool
) -> Iterator[DocumentPayload | Refusal]:
    """Read all as one value.

    Where that fails, line by line, provided that some line is a trace document by itself.
    """
    held, fault = _held(lines)
    broken_off = fault
    if broken_off is None:
        try:
            value = value_of(held)
        except UnreadableInputError as error:
            fault = error
        else:
            if strict or detection.holds_traces(value):
                yield from detection.payloads(value, origin)
            return
    if any(_is_trace_document(line) for line in held[:_SEARCHED_LINES]):
        yield from _line_payloads(itertools.chain(held, lines), origin)
        fault = broken_off
    if fault is not None:
        raise fault


def _held(lines: Iterator[Line]) -> tuple[list[Line], UnreadableInputError | None]:
    """Take lines until they are longer than the longest value.

    Return them, and the fault at which the text broke off.
    """
    held: list[Line] = []
    size = -1
    try:
        for line in lines:
            held.append(line)
            size += len(line[1]) + 1
            if size > MAX_VALUE_BYTES:
                break
    except UnreadableInputError as error:
        return held, error
    return held, None


def _is_trace_document(line: Line) -> bool:
    try:
        return detection.holds_traces(value_of([line]))
    except UnreadableInputError:
        return False


def _lines(chunks: Iterable[bytes]) -> Iterator[Line]:
    """Yield the lines that are not blank.

    A last line without its end counts only where the chunks end without a fault.
    """
    parts: list[bytes] = []
    size, number = 0, 1
    for chunk in chunks:
        if not size and chunk.isspace():
            number += chunk.count(b"\n")
            continue
        *ended, rest = chunk.split(b"\n")
        for end in ended:
            if size + len(end) > MAX_VALUE_BYTES:
                yield number, b""
            elif (data := b"".join([*parts, end])) and not data.isspace():
                yield number, data
            parts, size, number = [], 0, number + 1
        size += len(rest)
        if size > MAX_VALUE_BYTES:
            parts.clear()
        else:
            parts.append(rest)
    if size > MAX_VALUE_BYTES:
        yield number, b""
    elif (data := b"".join(parts)) and not data.isspace():
        yield number, data
