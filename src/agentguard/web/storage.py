"""A disk that is full, read-only or broken, as an error of the API."""

from __future__ import annotations

from agentguard.kernel.errors import DISK_ERRORS, StorageError, storage_error
from agentguard.web.repetition import Repetition

_UNAVAILABLE = Repetition("storage_unavailable")


def storage_failure(error: BaseException | None) -> StorageError | None:
    """Return what the error says of the disk; None if it says nothing."""
    match error:
        case OSError(errno=number) if number in DISK_ERRORS:
            return storage_error(error)
        case StorageError():
            return error
    return None


def log_storage_failure(error: Exception) -> None:
    """Log an error of the disk, at most once a minute; a no-op for others."""
    if isinstance(error, StorageError):
        _UNAVAILABLE.log(code=error.code, detail=str(error))
