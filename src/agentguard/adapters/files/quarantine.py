"""Damaged and foreign files, kept aside: nothing reads them, and nothing of them is lost.

`quarantine/NAME` is the file, `quarantine/NAME.json` says where it was, what is wrong with it and
how much of it is lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import structlog

from agentguard.adapters.files.folders import open_private, private_folder, sync_folder
from agentguard.adapters.files.locks import one_at_a_time
from agentguard.traces.damage import DamagedFile

log = structlog.get_logger(__name__)

FOLDER = "quarantine"
_LOCK = "quarantine.lock"
_NOTE = ".json"
_DRAFT = ".draft"


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The damaged and foreign files of a data directory."""

    directory: Path

    def add(self, found: DamagedFile) -> bool:
        """Move the file here, durably; return False if another process did it first.

        Raises OSError.
        """
        with one_at_a_time(self.directory / _LOCK):
            if not os.path.lexists(self.directory / found.file):
                return False
            kept_as = self._move(found)
        log.error(
            "file_quarantined",
            file=found.file,
            reason=found.reason,
            records_lost=found.records_lost,
            kept_as=f"{FOLDER}/{kept_as}",
        )
        return True

    def files(self) -> tuple[DamagedFile, ...]:
        """Return what is here, oldest first; raises OSError."""
        return tuple(sorted(self._notes(), key=lambda found: (found.found_at, found.file)))

    def delete(self, names: Iterable[str]) -> None:
        """Delete files by their names here, with their notes; raises OSError."""
        for name in names:
            path = self._folder / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            _note(path).unlink(missing_ok=True)

    @property
    def _folder(self) -> Path:
        return self.directory / FOLDER

    def _notes(self) -> Iterator[DamagedFile]:
        for path in self._folder.glob(f"*{_NOTE}"):
            with contextlib.suppress(FileNotFoundError):  # another process deletes it
                if os.path.lexists(path.with_suffix("")):  # unless it was about to be moved here
                    yield _noted(path)

    def _move(self, found: DamagedFile) -> str:
        """Write the note, then move the file; return its new name."""
        if not self._folder.exists():
            private_folder(self._folder)
            sync_folder(self.directory)
        path = self.directory / found.file
        target = _unused(self._folder / "_".join(Path(found.file).parts[-2:]))
        self._write_note(target, replace(found, quarantined_as=target.name))
        path.rename(target)
        for changed in (self._folder, path.parent):
            sync_folder(changed)
        return target.name

    def _write_note(self, target: Path, found: DamagedFile) -> None:
        draft = _note(target).with_name(_note(target).name + _DRAFT)
        with open_private(draft) as stream:
            stream.write(json.dumps(asdict(found), indent=1).encode())
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(_note(target))


def damaged_file(
    directory: Path, path: Path, reason: str, *, records_lost: int | None = None
) -> DamagedFile:
    """Describe a file of the data directory."""
    name = path.relative_to(directory).as_posix()
    size = path.lstat().st_size if os.path.lexists(path) else 0
    return DamagedFile(name, reason, records_lost, size, time.time_ns())


def _noted(note: Path) -> DamagedFile:
    """Return what a note says; raises FileNotFoundError."""
    try:
        return DamagedFile(**json.loads(note.read_bytes()))
    except (ValueError, TypeError):
        kept, found = note.with_suffix(""), note.with_suffix("").lstat()
        reason = "unknown, because the note beside it is damaged"
        return DamagedFile(kept.name, reason, None, found.st_size, found.st_mtime_ns, kept.name)


def _note(path: Path) -> Path:
    return path.with_name(path.name + _NOTE)


def _unused(path: Path) -> Path:
    number, found = 1, path
    while os.path.lexists(found) or _note(found).exists():
        number += 1
        found = path.with_name(f"{path.name}.{number}")
    return found
