"""The file with the secret that signs tokens, where the settings name none."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

from agentguard.adapters.files.folders import private_folder, write_new

FOLDER, NAME = "accounts", "token-key"
_SECRET_BYTES = 64
"""As many as HS512 needs (RFC 7518 §3.2)."""


def token_secret(data_dir: Path) -> str:
    """Return the secret in the data directory, made at the first call; its file has mode 0600.

    Raises OSError.
    """
    path = data_dir / FOLDER / NAME
    if not path.exists():
        private_folder(path.parent)
        with contextlib.suppress(FileExistsError):
            write_new(path, f"{secrets.token_urlsafe(_SECRET_BYTES)}\n".encode())
    return path.read_text("utf-8").strip()
