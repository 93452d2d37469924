"""The write-ahead log: deliveries in append-only segment files (see `records.py`)."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

from agentguard.adapters.files.folders import FILE_MODE, sync_folder
from agentguard.adapters.files.locks import try_lock
from agentguard.adapters.files.records import SegmentContent, header, new_salt, parse, records
from agentguard.traces.store import Delivery

SUFFIX = ".log"
_NAME = re.compile(r"[0-9a-f]{16}\.log")
_STALE_SECONDS = 3600


class Segment:
    """A segment file that this process owns, and holds locked, while it is open.

    The lock shows other processes that the owner is alive.
    """

    def __init__(self, path: Path, handle: int) -> None:
        self.path, self._handle = path, handle

    @property
    def id(self) -> int:
        """Its start time (ns); later segments have higher ids."""
        return segment_id(self.path)

    def close(self) -> None:
        """Close the file, which releases its lock."""
        os.close(self._handle)


class SegmentWriter(Segment):
    """A segment open for appending."""

    def __init__(self, path: Path) -> None:
        """Create the file with mode 0600; raise FileExistsError if it exists."""
        super().__init__(
            path,
            os.open(
                path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, FILE_MODE
            ),
        )
        self.size = 0
        self._salt, self._records = new_salt(), 0
        try:
            # Lock before the first byte is written: a process that can lock a non-empty file then
            # knows that its owner is dead. If such a process holds the lock right now to check,
            # abandon this still empty file.
            if not try_lock(self._handle):
                raise FileExistsError(path)
            self._write([header(self._salt)])
            sync_folder(path.parent)
        except OSError:
            self.close()
            path.unlink()
            raise

    def append(self, deliveries: Sequence[Delivery]) -> None:
        """Write all deliveries and sync once; on OSError the segment is unchanged."""
        self._write(records(self._salt, self._records, deliveries))
        self._records += len(deliveries)

    def _write(self, parts: Sequence[bytes]) -> None:
        try:
            for start in range(0, len(parts), 512):  # IOV_MAX is 1024
                _write_all(self._handle, parts[start : start + 512])
            os.fdatasync(self._handle)
        except OSError:
            os.ftruncate(self._handle, self.size)
            raise
        self.size += sum(map(len, parts))


def adopt(path: Path) -> Segment | None:
    """Take over a segment whose owner died.

    Return None if its owner is alive, it no longer exists or it is empty. An empty segment that is
    at least an hour old is deleted.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if try_lock(handle) and path.exists():
        if os.fstat(handle).st_size:
            return Segment(path, handle)
        if time.time() - os.fstat(handle).st_mtime > _STALE_SECONDS:
            path.unlink(missing_ok=True)
    os.close(handle)
    return None


def segments_in(folder: Path) -> list[Path]:
    """Return all segment files, oldest first."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if _is_segment(path))


def foreign_segments(folder: Path) -> list[Path]:
    """Return the files that look like segments but do not have the name of one."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if not _is_segment(path))


def _is_segment(path: Path) -> bool:
    return _NAME.fullmatch(path.name) is not None and not path.is_dir()


def segment_id(path: Path) -> int:
    return int(path.stem, 16)


def read_segment(path: Path) -> SegmentContent:
    """Return what can be read of a segment; raises OSError."""
    return parse(path.read_bytes())


def _write_all(handle: int, parts: Sequence[bytes]) -> None:
    rest = [memoryview(part) for part in parts]
    while rest:
        written = os.writev(handle, rest)
        while rest and written >= len(rest[0]):
            written -= len(rest.pop(0))
        if rest:
            rest[0] = rest[0][written:]
