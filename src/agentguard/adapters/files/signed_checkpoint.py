"""The file with the newest checkpoint that this data directory's key has signed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from agentguard.adapters.files.folders import private_folder, write_whole

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
        write_whole(self._path, note)

    @property
    def _path(self) -> Path:
        return self.data_dir / _FOLDER / _NAME
