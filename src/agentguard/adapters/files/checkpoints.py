"""Published checkpoints as files: `00000000000000000042.checkpoint` is that of size 42."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agentguard.adapters.files.folders import sync_folder
from agentguard.audit.checkpoint_folder import (
    CheckpointFolderError,
    Published,
    PublishedOtherwiseError,
)
from agentguard.audit.checkpoints import SignedCheckpoint

_NAME = re.compile(r"(\d{20})\.checkpoint")
_MODE = 0o644
"""Others may read it: it holds only hashes."""


@dataclass(frozen=True, slots=True)
class FileCheckpoints:
    """A CheckpointFolder."""

    folder: Path

    @property
    def place(self) -> str:
        return str(self.folder)

    def newest(self) -> Published | None:
        with self._usable():
            names = [path.name for path in self._paths()]
            if not names:
                return None
            path = self.folder / max(names)
            note = path.read_bytes()
            SignedCheckpoint.parse(note)
            return Published(note, path.stat().st_mtime_ns)

    def put(self, size: int, note: bytes) -> None:
        with self._usable():
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{size:020d}.checkpoint"
            draft = self.folder / f".{path.name}.{secrets.token_hex(4)}"
            try:
                _write(draft, note)
                os.link(draft, path)  # never over an existing file
            except FileExistsError:
                self._compare(path, size, note)
            finally:
                draft.unlink(missing_ok=True)
            sync_folder(self.folder)

    def _paths(self) -> Iterator[Path]:
        with contextlib.suppress(FileNotFoundError):
            yield from (path for path in self.folder.iterdir() if _NAME.fullmatch(path.name))

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise CheckpointFolderError(self.place, reason) from error

    def _compare(self, path: Path, size: int, note: bytes) -> None:
        there, wanted = (SignedCheckpoint.parse(raw) for raw in (path.read_bytes(), note))
        if there.note.text != wanted.note.text:
            raise PublishedOtherwiseError(size, self.place, "it has another root hash")


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
