"""The files with the keys that sign the audit log's checkpoints."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from agentguard.adapters.files.folders import private_folder, sync_folder, write_new
from agentguard.audit.errors import AuditFormatError
from agentguard.audit.keys import KEY_BYTES, SigningKey

_FOLDER, _NAME = "audit", "signing-key"


def key_in_use(data_dir: Path) -> SigningKey | None:
    """Return the key in the data directory, or None. Raises AuditFormatError, OSError."""
    try:
        return read_key(data_dir / _FOLDER / _NAME)
    except FileNotFoundError:
        return None


def signing_key(data_dir: Path, origin: str | None) -> SigningKey:
    """Return the key in the data directory, generated at the first call.

    `origin` names a new log; None: `agentguard.invalid/` and a random number. The file has mode
    0600. Raises AuditFormatError if the file holds no key, OSError if it cannot be read or written.
    """
    path = data_dir / _FOLDER / _NAME
    if not path.exists():
        private_folder(path.parent)
        with contextlib.suppress(FileExistsError):
            write_key(path, new_key(origin))
    return read_key(path)


def other_keys(data_dir: Path) -> Sequence[SigningKey]:
    """Return the keys beside the one in use: former ones, and one that a rotation stored."""
    found = []
    for path in sorted((data_dir / _FOLDER).glob(f"{_NAME}.*")):
        with contextlib.suppress(AuditFormatError, OSError):
            found.append(read_key(path))
    return tuple(found)


def new_key(origin: str | None) -> SigningKey:
    return SigningKey(
        origin or f"agentguard.invalid/{secrets.token_hex(8)}", secrets.token_bytes(KEY_BYTES)
    )


def read_key(path: Path) -> SigningKey:
    """Return the key in a file. Raises AuditFormatError, OSError."""
    try:
        return SigningKey.parse(path.read_text("utf-8"))
    except (AuditFormatError, UnicodeDecodeError) as error:
        problem = f"{str(path)!r} holds no signing key ({error}). Restore it from a backup"
        raise AuditFormatError("signing key", problem) from None


def store_beside(data_dir: Path, key: SigningKey) -> None:
    """Store a key beside the one in use, which `put_in_use` replaces by it; durable on return."""
    private_folder(data_dir / _FOLDER)
    with contextlib.suppress(FileExistsError):
        write_key(_beside(data_dir, key), key)


def put_in_use(data_dir: Path, key: SigningKey) -> None:
    """Let the file of the key in use hold this key, which is stored beside it.

    The former one stays beside it. At no moment is there none, whenever the process is killed.
    """
    path = data_dir / _FOLDER / _NAME
    with contextlib.suppress(FileExistsError, FileNotFoundError):
        os.link(path, _kept(data_dir, path))
    _beside(data_dir, key).replace(path)
    sync_folder(path.parent)


def write_key(path: Path, key: SigningKey) -> None:
    """Write a new file of mode 0600; whole or not at all.

    Raises FileExistsError where there is one; OSError.
    """
    write_new(path, f"{key.encode()}\n".encode())


def _beside(data_dir: Path, key: SigningKey) -> Path:
    return data_dir / _FOLDER / f"{_NAME}.{key.verifier.key_id.hex()}"


def _kept(data_dir: Path, path: Path) -> Path:
    """Return the name under which a former file of the key in use is kept, damaged or not."""
    try:
        return _beside(data_dir, read_key(path))
    except AuditFormatError:
        return path.with_name(f"{_NAME}.damaged-{secrets.token_hex(4)}")
