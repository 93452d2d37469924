"""The living processes of a data directory: each holds the lock of a file of its name.

The kernel releases the lock when its process ends, however it ends. The file holds the id of the
host's boot: locks are trusted on one host only, because some file systems share files between hosts
but no locks.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agentguard.adapters.files.folders import FILE_MODE, private_folder
from agentguard.adapters.files.locks import try_lock, try_shared_lock

FOLDER = "processes"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_FORGOTTEN_SECONDS = 3600
"""Files of dead processes stay for so long, that a successor can recognise them."""


@dataclass(frozen=True, slots=True)
class FileProcesses:
    """A Processes over a folder of locked files."""

    folder: Path
    name: str

    def is_dead(self, name: str) -> bool:
        try:
            handle = os.open(self.folder / name, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return os.read(handle, 4096) == _host() and try_shared_lock(handle)
        finally:
            os.close(handle)


@contextmanager
def registered(directory: Path, name: str) -> Iterator[FileProcesses]:
    """Register this process under a new name until it ends; raises OSError."""
    folder = directory / FOLDER
    private_folder(folder)
    _delete_forgotten(folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    handle = os.open(folder / name, flags, FILE_MODE)
    try:
        try_lock(handle)  # nobody else knows the name yet
        os.write(handle, _host())
        yield FileProcesses(folder, name)
    finally:
        (folder / name).unlink(missing_ok=True)
        os.close(handle)


def _delete_forgotten(folder: Path) -> None:
    before = time.time() - _FORGOTTEN_SECONDS
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < before and FileProcesses(folder, "").is_dead(path.name):
                path.unlink()


def _host() -> bytes:
    """Return what identifies this host since its last boot."""
    try:
        return _BOOT_ID.read_bytes()
    except FileNotFoundError:  # not Linux
        return socket.gethostname().encode()
