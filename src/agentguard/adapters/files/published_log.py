"""A published log in a folder, with the layout of C2SP tlog-tiles."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from agentguard.adapters.files.folders import sync_folder
from agentguard.audit.errors import HashMissingError
from agentguard.audit.monitor import MOST_BYTES
from agentguard.kernel.errors import InvalidInputError, UnavailableError


class FolderUnusableError(UnavailableError):
    """A file of a published log cannot be read."""

    code = "log-unreachable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{str(path)!r} cannot be read: {reason}.")


class FolderNotWritableError(InvalidInputError):
    """A file cannot be written."""

    code = "folder-not-writable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{str(path)!r} cannot be written: {reason}. Choose another path.")


@dataclass(frozen=True, slots=True)
class LogFolder:
    """A LogTarget: any web server or bucket can serve the folder."""

    folder: Path

    def read(self, path: str) -> bytes:
        file = self.folder / path
        try:
            with file.open("rb") as stream:
                content = stream.read(MOST_BYTES + 1)
        except FileNotFoundError:
            raise HashMissingError(path) from None
        except OSError as error:
            raise FolderUnusableError(file, error.strerror or str(error)) from None
        if len(content) > MOST_BYTES:
            raise FolderUnusableError(file, f"it has more than {MOST_BYTES:,} bytes")
        return content

    def write(self, path: str, content: bytes) -> None:
        write_whole(self.folder / path, content)


def write_whole(path: Path, content: bytes) -> None:
    """Create or replace a file: whole or not at all, and durable once this returns.

    Raises FolderNotWritableError.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("xb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise FolderNotWritableError(path, error.strerror or str(error)) from None
