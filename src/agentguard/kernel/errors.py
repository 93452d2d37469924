"""The error hierarchy: each error has a stable code and an HTTP status."""

from __future__ import annotations

import errno
from typing import ClassVar


class AgentGuardError(Exception):
    """Base of all deliberate errors; the message says what happened, then what to do."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    @property
    def extensions(self) -> dict[str, object]:
        """Return additional members for the RFC 9457 problem document; none by default."""
        return {}


class NotFoundError(AgentGuardError):
    """The requested object does not exist."""

    code = "not-found"
    status = 404


class ConflictError(AgentGuardError):
    """The request conflicts with the current state."""

    code = "conflict"
    status = 409


class InvalidInputError(AgentGuardError):
    """The request or input is invalid."""

    code = "invalid-input"
    status = 400


class FileFormatError(InvalidInputError):
    """A file that people write is invalid; the message has its position and the remedy."""

    code = "file-format"
    advice: ClassVar[str] = "Check its path."
    """What to do if the file cannot be read."""

    def __init__(self, origin: str, line: int | None, problem: str) -> None:
        place = origin if line is None else f"{origin}:{line}"
        super().__init__(f"{place}: {problem}")
        self.origin = origin
        self.line = line
        self.problem = problem

    @property
    def extensions(self) -> dict[str, object]:
        return {} if self.line is None else {"line": self.line}


class UnavailableError(AgentGuardError):
    """A required dependency is unreachable or overloaded; a retry may succeed."""

    code = "unavailable"
    status = 503


class StorageError(UnavailableError):
    """A file of the data directory cannot be written: the disk is read-only, or fails."""

    code = "storage-unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The data directory cannot be written to: {reason}. Check the disk of"
            " AGENTGUARD_DATA_DIR, then try again."
        )


class StorageFullError(StorageError):
    """The disk of the data directory is full, or its quota is used up."""

    code = "storage-full"
    status = 507


DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
"""Numbers of errors that tell of the disk, not of a defect."""


def storage_error(error: OSError) -> StorageError:
    """Return what an error in writing a file of the data directory means."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return (StorageFullError if full else StorageError)(error.strerror or str(error))


class UnusableServiceError(UnavailableError):
    """A configured service is unreachable, rejected the credentials or is unsupported.

    Raised by the checks that run against the service itself.
    """

    code = "unusable-service"


class PackageMissingError(InvalidInputError):
    """A setting needs a package that is not installed."""

    code = "package-missing"

    def __init__(self, setting: str, module: str, extra: str = "services") -> None:
        package = module.partition(".")[0]
        super().__init__(
            f"{setting} is set, but the package {package!r} is not installed. Run: pip install"
            f" 'agentguard[{extra}]'"
        )
