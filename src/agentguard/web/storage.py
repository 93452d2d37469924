"""A disk that is full, read-only or broken, as an error of the API."""

from __future__ import annotations

from agentguard.kernel.errors import DISK_ERRORS, StorageError, storage_error
from agentguard.web.repetition import Repetition

_UNAVAILABLE = Repetition("storage_unavailable")


def storage_failure(error: BaseException | None) -> StorageError | None:
    """Return what the error says of the disk; None if it says nothing. Logs it once a minute."""
    match error:
        case OSError(errno=number) if number in DISK_ERRORS:
            found = storage_error(error)
        case StorageError():
            found = error
        case _:
            return None
    _UNAVAILABLE.log(code=found.code, detail=str(found))
    return found
