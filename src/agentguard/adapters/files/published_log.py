"""A published log in a folder, with the layout of C2SP tlog-tiles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agentguard.adapters.files.folders import PUBLIC_MODE, write_whole
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
        write_published(self.folder / path, content)


def write_published(path: Path, content: bytes) -> None:
    """Create or replace a file that others may read, and its folder; as `write_whole`.

    Raises FolderNotWritableError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content, PUBLIC_MODE)
    except OSError as error:
        raise FolderNotWritableError(path, error.strerror or str(error)) from None
