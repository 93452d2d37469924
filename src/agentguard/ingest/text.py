"""Reads JSON text, one value per line or one value over many lines, in bounded memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from agentguard.ingest import detection
from agentguard.ingest.errors import UnreadableInputError
from agentguard.ingest.message_limits import check_values
from agentguard.ingest.payloads import DocumentPayload, Refusal

MAX_VALUE_BYTES = 128 << 20
"""Maximum size of a JSON value on one or many lines. Parsed, it takes several times the memory."""
MAX_VALUES = 8_000_000
"""Values in one JSON document of MAX_VALUE_BYTES: about twice what spans have."""

_SEARCHED_LINES = 1000

Line = tuple[int, bytes]
"""Line number from 1, and its bytes; empty for a line above the maximum size."""


def payloads(
    chunks: Iterable[bytes], origin: str, *, strict: bool
) -> Iterator[DocumentPayload | Refusal]:
    """Yield the payloads in the text; an unusable line is one refusal, the others are used.

    Unless `strict`, an empty text, or one whose first value contains no traces, yields nothing. If
    nothing is usable or the text is truncated, UnreadableInputError is raised after the complete
    payloads.
    """
    lines = _lines(chunks)
    first = next(lines, None)
    if first is None:
        if strict:
            raise UnreadableInputError("empty-file", "The file is empty.")
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
    """Return the JSON value on these lines.

    Raises UnreadableInputError with the position of the error.
    """
    if not all(data for _, data in lines) or _size(lines) > MAX_VALUE_BYTES:
        raise _too_large()
    text = lines[0][1] if len(lines) == 1 else b"\n".join(data for _, data in lines)
    check_values(text, MAX_VALUES)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _parse_error(error, lines[min(error.lineno, len(lines)) - 1][0]) from error


def _size(lines: Iterable[Line]) -> int:
    return sum(len(data) + 1 for _, data in lines) - 1


def _parse_error(error: orjson.JSONDecodeError, line: int) -> UnreadableInputError:
    place = f"line {line}, column {error.colno}"
    if "depth" in error.msg:
        return UnreadableInputError(
            "too-deep", f"The JSON is nested more than 1024 levels deep ({place})."
        )
    if "UTF-8" in error.msg:
        return UnreadableInputError(
            "not-utf8", f"The text is not UTF-8 ({place}). Convert it to UTF-8."
        )
    return UnreadableInputError("not-json", f"Invalid JSON ({place}): {error.msg}.")


def _too_large() -> UnreadableInputError:
    limit = f"{MAX_VALUE_BYTES >> 20} MiB"
    return UnreadableInputError(
        "value-too-large",
        f"A JSON value exceeds {limit}. Split it, or write one request per line.",
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
    """Read all lines as one value.

    If that fails, read line by line, provided that some line is a trace document by itself.
    """
    buffered, read_error = _buffer(lines)
    error = read_error
    if read_error is None:
        try:
            value = value_of(buffered)
        except UnreadableInputError as value_error:
            error = value_error
        else:
            if strict or detection.holds_traces(value):
                yield from detection.payloads(value, origin)
            return
    if any(_is_trace_document(line) for line in buffered[:_SEARCHED_LINES]):
        yield from _line_payloads(itertools.chain(buffered, lines), origin)
        error = read_error
    if error is not None:
        raise error


def _buffer(lines: Iterator[Line]) -> tuple[list[Line], UnreadableInputError | None]:
    """Collect lines up to the maximum size of a value.

    Returns the lines, and the error at which the input ended.
    """
    buffered: list[Line] = []
    size = -1
    try:
        for line in lines:
            buffered.append(line)
            size += len(line[1]) + 1
            if size > MAX_VALUE_BYTES:
                break
    except UnreadableInputError as error:
        return buffered, error
    return buffered, None


def _is_trace_document(line: Line) -> bool:
    try:
        return detection.holds_traces(value_of([line]))
    except UnreadableInputError:
        return False


def _lines(chunks: Iterable[bytes]) -> Iterator[Line]:
    """Yield the lines that are not blank.

    An unterminated last line is yielded only if the input ends without an error.
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
