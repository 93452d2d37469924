"""The file with the secret that signs tokens, where the settings name none."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

from agentguard.adapters.files.folders import private_folder, write_new

_FOLDER, _NAME = "accounts", "token-key"


def token_secret(data_dir: Path) -> str:
    """Return the secret in the data directory, made at the first call; its file has mode 0600.

    Raises OSError.
    """
    path = data_dir / _FOLDER / _NAME
    if not path.exists():
        private_folder(path.parent)
        with contextlib.suppress(FileExistsError):
            write_new(path, f"{secrets.token_urlsafe(32)}\n".encode())
    return path.read_text("utf-8").strip()
