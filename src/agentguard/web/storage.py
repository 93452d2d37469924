"""A disk that is full, read-only or broken, as an error of the API."""

from __future__ import annotations

import errno

from agentguard.kernel.errors import StorageError, storage_error
from agentguard.web.repetition import Repetition

_NUMBERS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
_UNAVAILABLE = Repetition("storage_unavailable")


def storage_failure(error: BaseException | None) -> StorageError | None:
    """Return what the error says of the disk; None if it says nothing. Logs it once a minute."""
    match error:
        case OSError(errno=number) if number in _NUMBERS:
            found = storage_error(error)
        case StorageError():
            found = error
        case _:
            return None
    _UNAVAILABLE.log(code=found.code, detail=str(found))
    return found
