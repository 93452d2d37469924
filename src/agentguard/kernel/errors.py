"""The error hierarchy: each error has a stable code and an HTTP status."""

from __future__ import annotations

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


class UnavailableError(AgentGuardError):
    """A required dependency is unreachable or overloaded; a retry may succeed."""

    code = "unavailable"
    status = 503


class UnusableServiceError(UnavailableError):
    """A configured service is unreachable, rejected the credentials or is unsupported.

    Raised by the checks that run against the service itself.
    """

    code = "unusable-service"


class PackageMissingError(InvalidInputError):
    """A setting needs a package that is not installed."""

    code = "package-missing"

    def __init__(self, setting: str, module: str) -> None:
        package = module.partition(".")[0]
        super().__init__(
            f"{setting} is set, but the package {package!r} is not installed. Run: pip install"
            " 'agentguard[services]'"
        )
