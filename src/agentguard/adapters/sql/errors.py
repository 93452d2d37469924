"""Errors of databases."""

from __future__ import annotations

from agentguard.kernel.errors import AgentGuardError, ConflictError, UnavailableError


class DatabaseTooNewError(AgentGuardError):
    """It was written by a later version."""

    code = "database-too-new"

    def __init__(self, place: object, revision: str, head: str) -> None:
        super().__init__(
            f"{place} was written by a newer AgentGuard (schema {revision!r}, this one knows"
            f" {head!r}). Upgrade AgentGuard."
        )


class DatabaseUnreadableError(AgentGuardError):
    """The file is damaged or not a database."""

    code = "database-unreadable"

    def __init__(self, place: object, reason: str) -> None:
        super().__init__(
            f"{place} cannot be read as a database: {reason}. Restore it from a backup, or move it"
            " aside to start with an empty database."
        )


class DatabaseUnavailableError(UnavailableError):
    """The database is unreachable, too slow, or rejects the credentials."""

    code = "database-unavailable"

    def __init__(self, place: object, reason: str, advice: str) -> None:
        super().__init__(f"The database {place} cannot be used: {reason.rstrip('.')}. {advice}")


class DatabaseNotEmptyError(ConflictError):
    """The target of a copy already contains graphs, or an audit log, of its own."""

    code = "database-not-empty"

    def __init__(self, place: object) -> None:
        super().__init__(
            f"{place} already contains data of its own; copying would mix them. Copy into an empty"
            " database."
        )
