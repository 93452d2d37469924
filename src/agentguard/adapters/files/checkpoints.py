"""Published checkpoints as files: `00000000000000000042.checkpoint` is that of size 42."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agentguard.adapters.files.folders import PUBLIC_MODE, write_new
from agentguard.audit.checkpoint_folder import (
    CheckpointFolderError,
    PublishedCheckpoint,
    PublishedOtherwiseError,
)
from agentguard.audit.checkpoints import SignedCheckpoint

_NAME = re.compile(r"(\d{20})\.checkpoint")


@dataclass(frozen=True, slots=True)
class FileCheckpoints:
    """A CheckpointFolder."""

    folder: Path

    @property
    def place(self) -> str:
        return str(self.folder)

    def newest(self) -> PublishedCheckpoint | None:
        with self._usable():
            names = [path.name for path in self._paths()]
            if not names:
                return None
            path = self.folder / max(names)
            note = path.read_bytes()
            SignedCheckpoint.parse(note)
            return PublishedCheckpoint(note, path.stat().st_mtime_ns)

    def put(self, size: int, note: bytes) -> None:
        with self._usable():
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{size:020d}.checkpoint"
            try:
                write_new(path, note, PUBLIC_MODE)
            except FileExistsError:
                self._compare(path, size, note)

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
