"""The file with the newest checkpoint that this data directory's key has signed."""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from agentguard.adapters.files.folders import FILE_MODE, private_folder, sync_folder

_FOLDER, _NAME = "audit", "signed-checkpoint"


@dataclass(frozen=True, slots=True)
class SignedCheckpointFile:
    """A CheckpointMemory."""

    data_dir: Path

    @property
    def place(self) -> str:
        return str(self._path)

    def read(self) -> bytes | None:
        with contextlib.suppress(FileNotFoundError):
            return self._path.read_bytes()
        return None

    def write(self, note: bytes) -> None:
        private_folder(self._path.parent)
        draft = self._path.with_name(f"{_NAME}.{secrets.token_hex(4)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(note)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(self._path)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(self._path.parent)

    @property
    def _path(self) -> Path:
        return self.data_dir / _FOLDER / _NAME
