"""The file with the key that signs the audit log's checkpoints."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from agentguard.adapters.files.folders import FILE_MODE, private_folder, sync_folder
from agentguard.audit.errors import AuditFormatError
from agentguard.audit.keys import KEY_BYTES, SigningKey

_FOLDER, _NAME = "audit", "signing-key"


def signing_key(data_dir: Path, origin: str | None) -> SigningKey:
    """Return the key in the data directory, generated at the first call.

    `origin` names a new log; None: `agentguard.invalid/` and a random number. The file has mode
    0600. Raises AuditFormatError if the file holds no key, OSError if it cannot be read or written.
    """
    path = data_dir / _FOLDER / _NAME
    private_folder(path.parent)
    with contextlib.suppress(FileExistsError):
        _create(path, origin)
    try:
        return SigningKey.parse(path.read_text("utf-8"))
    except (AuditFormatError, UnicodeDecodeError) as error:
        problem = f"{str(path)!r} holds no signing key ({error}). Restore it from a backup"
        raise AuditFormatError("signing key", problem) from None


def _create(path: Path, origin: str | None) -> None:
    """Write a new key; whole or not at all, and never over an old one."""
    if path.exists():
        raise FileExistsError
    name = origin or f"agentguard.invalid/{secrets.token_hex(8)}"
    draft = path.with_name(f"{_NAME}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(SigningKey(name, secrets.token_bytes(KEY_BYTES)).encode() + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.link(draft, path)
    finally:
        draft.unlink()
    sync_folder(path.parent)
