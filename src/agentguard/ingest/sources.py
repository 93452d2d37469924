"""Reads payloads from files, folders, streams and uploads; errors become refusals."""

from __future__ import annotations

import io
import itertools
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from agentguard.ingest import detection, tables, text
from agentguard.ingest.compression import CHUNK, at_most, decompressed, joined
from agentguard.ingest.errors import InputTooLargeError, UnreadableInputError
from agentguard.ingest.formats import otlp_bodies
from agentguard.ingest.formats.otlp_bodies import MAX_BODY_BYTES
from agentguard.ingest.payloads import Payload, ProtobufPayload, Refusal

TELEMETRY_SUFFIXES = frozenset(
    {
        ".json",
        ".jsonl",
        ".ndjson",
        ".csv",
        ".parquet",
        ".pb",
        ".bin",
        ".otlp",
        ".proto",
        ".trace",
        ".traces",
        ".log",
        ".txt",
    }
)
"""In folders, files with one of these suffixes or with none are opened; suffixes of compression and
log rotation are ignored.
"""

_JSON_SUFFIXES = frozenset({".json", ".jsonl", ".ndjson"})
_PROTOBUF_SUFFIXES = frozenset({".pb", ".bin", ".otlp", ".proto"})
_APPENDED = re.compile(r"\.(?:gz|gzip|zst|zstd|[\dT_-]+)", re.IGNORECASE)
WITHOUT_TRACES = "no-traces"
"""Reason of a refusal of a file in a folder that has no traces in a supported format."""
_SKIPPED = "Skipped; it contains no traces in a supported format."
_HEAD = 1 << 16
_REPORTED = 20  # refusals per reason and file that are reported individually
_BOM = b"\xef\xbb\xbf"
_UTF16 = re.compile(rb"\xff\xfe|\xfe\xff|\x00[{\[]|[{\[]\x00")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f]")
_JSON_START = re.compile(rb"[ \t\r\n]*[{\[]")


def read_paths(
    paths: Sequence[Path],
    *,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Payload | Refusal]:
    """Yield the payloads of the files and of the files in the folders (sorted, no hidden ones).

    `progress` receives the number of bytes read since its last call. A file given by name is
    refused if it cannot be used; a file in a folder that holds no traces is a refusal of no spans.
    Format and compression are detected from the content. Memory is bounded by
    the largest JSON value or protobuf body, see ingest.text and ingest.formats.otlp_bodies.
    """
    for path in paths:
        if _is_folder(path):
            yield from _folder(path, progress)
        else:
            yield from _file(path, progress, strict=True)


def read_stream(
    stream: BinaryIO,
    origin: str,
    *,
    progress: Callable[[int], None] | None = None,
    limit: int | None = None,
) -> Iterator[Payload | Refusal]:
    """Yield the payloads of the stream, as for a file given by name.

    Raises InputTooLargeError when the content exceeds the limit (bytes).
    """
    yield from _content(_chunks(stream, progress), origin, strict=True, limit=limit)


def exceeds(path: Path, limit: int) -> bool:
    """Return whether the file's content, decompressed, exceeds the limit (bytes).

    Reads no further than that; content that cannot be decompressed does not exceed it. A pipe
    counts as larger: it can be read only once.
    """
    if path.is_fifo():
        return True
    with path.open("rb") as stream:
        try:
            for _ in at_most(limit, decompressed(_chunks(stream, None))):
                pass
        except InputTooLargeError:
            return True
        except UnreadableInputError:
            return False
    return False


def read_upload(body: bytes, filename: str | None) -> Iterator[Payload | Refusal]:
    """Yield the payloads of an uploaded body, as for a file given by name."""
    yield from read_stream(io.BytesIO(body), filename or "upload")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # name too long or parent folder unreadable: opening reports it
        return False


def _folder(folder: Path, progress: Callable[[int], None] | None) -> Iterator[Payload | Refusal]:
    found = False
    errors: list[OSError] = []
    for path in _files_in(folder, errors.append):
        used = False
        for item in _file(path, progress, strict=False):
            found = used = True
            yield item
        if not used:
            yield Refusal(_display_name(path), WITHOUT_TRACES, _SKIPPED, 0)
    yield from (_unreadable(os.fsdecode(error.filename), error) for error in errors)
    if not found and not errors:
        yield Refusal(
            _display_name(folder),
            "no-telemetry",
            "No file with traces in this folder."
            f" Supported formats: {detection.SUPPORTED_FORMATS}.",
        )


def _files_in(folder: Path, on_error: Callable[[OSError], None]) -> Iterator[Path]:
    for root, folders, names in os.walk(folder, onerror=on_error):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (
            Path(root, name)
            for name in sorted(names)
            if not name.startswith(".") and _may_be_telemetry(Path(name))
        )


def _may_be_telemetry(path: Path) -> bool:
    return not _suffix(path) or _suffix(path) in TELEMETRY_SUFFIXES


def _suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes if not _APPENDED.fullmatch(suffix)]
    return suffixes[-1] if suffixes else ""


def _file(
    path: Path, progress: Callable[[int], None] | None, *, strict: bool
) -> Iterator[Payload | Refusal]:
    origin = _display_name(path)
    try:
        if not strict and not path.is_file():  # a socket, a pipe or a dangling link
            return
        with path.open("rb") as stream:
            yield from _content(_chunks(stream, progress), origin, strict=strict)
    except FileNotFoundError:
        yield Refusal(origin, "missing-file", "No such file or folder.")
    except OSError as error:
        yield _unreadable(origin, error)


def _unreadable(origin: str, error: OSError) -> Refusal:
    return Refusal(origin, "unreadable-file", f"Cannot be read: {error.strerror or error}.")


def _display_name(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "replace")


def _chunks(stream: BinaryIO, progress: Callable[[int], None] | None) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        if progress is not None:
            progress(len(chunk))
        yield chunk


def _content(
    chunks: Iterable[bytes], origin: str, *, strict: bool, limit: int | None = None
) -> Iterator[Payload | Refusal]:
    yield from _aggregate_refusals(
        _decompressed_content(chunks, origin, strict=strict, limit=limit), origin
    )


def _decompressed_content(
    chunks: Iterable[bytes], origin: str, *, strict: bool, limit: int | None
) -> Iterator[Payload | Refusal]:
    try:
        yield from _by_content(
            at_most(limit, decompressed(chunks)), origin, strict=strict, limit=limit
        )
    except UnreadableInputError as error:
        yield error.refusal(origin)
    except OSError as error:
        yield _unreadable(origin, error)


def _by_content(
    chunks: Iterator[bytes], origin: str, *, strict: bool, limit: int | None
) -> Iterator[Payload | Refusal]:
    """Dispatch decompressed content by its first bytes: UTF-16, protobuf, JSON or unknown."""
    head, chunks = _peek(chunks)
    binary = _CONTROL.search(head[:512]) is not None
    form = otlp_bodies.form_of(head) if binary else None
    if head.startswith(tables.PARQUET):
        yield from tables.parquet_payloads(chunks, origin, strict=strict, limit=limit)
    elif form is not None:
        yield from _bodies(chunks, origin, form, strict=strict, limit=limit)
    elif _UTF16.match(head):
        raise UnreadableInputError("utf-16", "The text is UTF-16. Convert it to UTF-8.")
    elif _JSON_START.match(head) or not head:
        yield from text.payloads(chunks, origin, strict=strict)
    else:
        yield from _by_name(chunks, origin, binary=binary, strict=strict)


def _by_name(
    chunks: Iterator[bytes], origin: str, *, binary: bool, strict: bool
) -> Iterator[Payload | Refusal]:
    """Dispatch content whose first bytes tell nothing by the suffix of its name."""
    suffix = _suffix(Path(origin))
    if suffix == ".csv" and not binary:
        yield from tables.csv_payloads(chunks, origin, strict=strict)
    elif suffix in _PROTOBUF_SUFFIXES:
        yield ProtobufPayload(origin, joined(chunks, MAX_BODY_BYTES))
    elif not binary and (strict or suffix in _JSON_SUFFIXES):
        yield from text.payloads(chunks, origin, strict=strict)
    elif strict:
        raise UnreadableInputError(
            "unknown-format",
            f"Unknown binary format. Supported formats: {detection.SUPPORTED_FORMATS}.",
        )


def _peek(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the head (at most 64 KiB) and all chunks, both without a byte order mark.

    An error while peeking is raised again at its position in the chunks.
    """
    head = b""
    try:
        while len(head) < _HEAD and (chunk := next(chunks, b"")):
            head += chunk
    except UnreadableInputError as error:
        chunks = _raise_later(error)
    head = head.removeprefix(_BOM)
    return head[:_HEAD], itertools.chain([head] if head else [], chunks)


def _raise_later(error: UnreadableInputError) -> Iterator[bytes]:
    yield from ()
    raise error


def _bodies(
    chunks: Iterable[bytes], origin: str, form: otlp_bodies.Form, *, strict: bool, limit: int | None
) -> Iterator[Payload | Refusal]:
    found = otlp_bodies.bodies(chunks, form)
    contents = (
        (joined(decompressed([body]), MAX_BODY_BYTES) for body in found)
        if form is otlp_bodies.Form.FRAMED
        else found
    )
    for number, content in enumerate(at_most(limit, contents), 1):
        place = origin if form is otlp_bodies.Form.RAW else f"{origin}, body {number}"
        if content.startswith(b"{"):
            yield from text.payloads([content], place, strict=strict)
        elif otlp_bodies.holds_spans(content):
            yield ProtobufPayload(place, content)
        elif strict:
            yield Refusal(
                place, "not-traces", "These are OTLP logs or metrics; only traces are read."
            )


def _aggregate_refusals(
    items: Iterable[Payload | Refusal], origin: str
) -> Iterator[Payload | Refusal]:
    """Pass items through, but aggregate refusals of one reason from the 21st on."""
    seen: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for item in items:
        if isinstance(item, Refusal):
            seen[item.reason] += 1
            if seen[item.reason] > _REPORTED:
                lost[item.reason] += item.spans
                continue
        yield item
    for reason, spans in lost.items():
        yield Refusal(origin, reason, f"{seen[reason] - _REPORTED} more of the same kind.", spans)
