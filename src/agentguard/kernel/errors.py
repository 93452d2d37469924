"""The one tree of errors; each has a stable code and an HTTP status."""

from __future__ import annotations

from typing import ClassVar


class AgentGuardError(Exception):
    """Anything AgentGuard raises on purpose: the message says what happened, then what to do."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    @property
    def extensions(self) -> dict[str, object]:
        """Further members for the RFC 9457 problem document; none by default."""
        return {}


class NotFoundError(AgentGuardError):
    """What was asked for does not exist."""

    code = "not-found"
    status = 404


class ConflictError(AgentGuardError):
    """The request contradicts what is there."""

    code = "conflict"
    status = 409


class InvalidInputError(AgentGuardError):
    """The request or the input cannot be used as it is."""

    code = "invalid-input"
    status = 400


class UnavailableError(AgentGuardError):
    """A part that is needed is away or full; trying again later can help."""

    code = "unavailable"
    status = 503


class UnusableServiceError(UnavailableError):
    """A service that is set is away, does not let us in, or is not what we need.

    Found by looking at it.
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
