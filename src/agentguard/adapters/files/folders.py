"""Folders and files that only their owner can read (modes 0700 and 0600)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

FOLDER_MODE, FILE_MODE = 0o700, 0o600


def private_folder(folder: Path) -> None:
    """Create the folder with mode 0700, if it does not exist."""
    folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)


def open_private(path: Path) -> BinaryIO:
    """Open a new or emptied file of mode 0600 for reading and writing."""
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, FILE_MODE), "w+b")


def sync_folder(folder: Path) -> None:
    """Make creations, renames and deletions in the folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
