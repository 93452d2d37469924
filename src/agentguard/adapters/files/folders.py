"""Folders and files that only their owner can read (modes 0700 and 0600)."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

FOLDER_MODE, FILE_MODE = 0o700, 0o600
PUBLIC_MODE = 0o644
"""Of files that others may read."""


_OWN_FOLDERS = (
    "accounts",
    "audit",
    "bodies",
    "graphs",
    "log",
    "processes",
    "quarantine",
    "spans",
    "uploads",
)
_OWN_FILES = ("agentguard.*", "*.lock")


def private_folder(folder: Path) -> None:
    """Create the folder with mode 0700, or give that mode to an existing one.

    Raises OSError if it cannot be created. The mode of an existing folder stays where it belongs to
    another user, as that of a mounted volume may, or to all users (`/tmp`).
    """
    folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    if not folder.stat().st_mode & stat.S_ISVTX:
        _restrict(folder, FOLDER_MODE)


def restrict_existing(directory: Path) -> None:
    """Give the modes 0700 and 0600 to all that AgentGuard has stored in a data directory.

    Files beside, which others may have put there, are left alone.
    """
    for pattern in _OWN_FILES:
        for path in directory.glob(pattern):
            _restrict(path, FILE_MODE)
    for name in _OWN_FOLDERS:
        for folder, _, files in os.walk(directory / name):
            _restrict(Path(folder), FOLDER_MODE)
            for file in files:
                _restrict(Path(folder, file), FILE_MODE)


def _restrict(path: Path, mode: int) -> None:
    # Deleted meanwhile, or of another user.
    with contextlib.suppress(FileNotFoundError, PermissionError):
        found = path.lstat().st_mode
        if not stat.S_ISLNK(found) and stat.S_IMODE(found) != mode:
            path.chmod(mode)


def open_private(path: Path) -> BinaryIO:
    """Open a new or emptied file of mode 0600 for reading and writing."""
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, FILE_MODE), "w+b")


def write_whole(path: Path, content: bytes, mode: int = FILE_MODE) -> None:
    """Create or replace a file: whole or not at all, and durable once this returns."""
    with _draft(path, content, mode) as draft:
        draft.replace(path)


def write_new(path: Path, content: bytes, mode: int = FILE_MODE) -> None:
    """Create a file as `write_whole`; raise FileExistsError, and change nothing, if it is there."""
    with _draft(path, content, mode) as draft:
        os.link(draft, path)


@contextlib.contextmanager
def _draft(path: Path, content: bytes, mode: int) -> Iterator[Path]:
    """Yield a durable file beside the one to write; sync the folder in the end."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Sync the folder: creations, renames and deletions in it survive a crash of the machine."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
