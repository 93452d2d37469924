"""What can be wrong with the parts of an audit trail."""

from __future__ import annotations

from agentguard.kernel.errors import ConflictError, InvalidInputError, NotFoundError


class AuditFormatError(InvalidInputError):
    """A part of an audit trail is malformed: the one error of every parser of foreign bytes."""

    code = "audit-format"

    def __init__(self, part: str, problem: str) -> None:
        super().__init__(f"The {part} is malformed: {problem}. Check where it comes from.")
        self.part = part
        self.problem = problem


class VerificationFailedError(InvalidInputError):
    """A proof, signature or commitment is well-formed and does not hold."""

    code = "verification-failed"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Verification failed: {reason}. Do not rely on it; get another copy, or tell the"
            " operator of the log."
        )
        self.reason = reason


class EntryTooLargeError(InvalidInputError):
    """An entry exceeds the limit of the log; nothing of it is kept."""

    code = "entry-too-large"
    status = 413

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"The audit entry has {size_bytes} bytes, allowed {limit_bytes}. Store large data"
            " elsewhere and put its hash into the payload."
        )


class UnrepresentableError(InvalidInputError):
    """A value has no canonical JSON form."""

    code = "no-canonical-json"

    def __init__(self, problem: str) -> None:
        super().__init__(f"The value has no canonical JSON form (RFC 8785): {problem}.")


class UnreadableLogError(ConflictError):
    """The stored log holds a value that is not of its column's type."""

    code = "audit-log-unreadable"

    def __init__(self) -> None:
        super().__init__(
            "The stored audit log holds a value of a wrong type. Run `agentguard audit fsck` to see"
            " where, and restore the database from a backup."
        )


class HashMissingError(NotFoundError):
    """A hash, tile or checkpoint is missing from the store."""

    code = "audit-hash-missing"

    def __init__(self, place: str) -> None:
        super().__init__(
            f"The log has no {place!r}. Fetch it again, or let its operator check the log."
        )
        self.place = place
