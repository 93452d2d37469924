"""Errors of reading untrusted bytes."""

from __future__ import annotations

from agentguard.ingest.payloads import Refusal
from agentguard.kernel.errors import AgentGuardError, InvalidInputError


class UnreadableInputError(InvalidInputError):
    """Bytes or values that cannot be parsed; the only error that parsers of this stage raise."""

    code = "unreadable-input"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    @property
    def extensions(self) -> dict[str, object]:
        return {"reason": self.reason}

    def refusal(self, origin: str) -> Refusal:
        """Return this error as a refusal at the given origin."""
        return Refusal(origin, self.reason, str(self))


class InputTooLargeError(AgentGuardError):
    """The input exceeds the size limit; none of it is used."""

    code = "body-too-large"
    status = 413

    @classmethod
    def over(cls, limit: int) -> InputTooLargeError:
        """Return the error for this limit in bytes."""
        return cls(
            f"The body is larger than {limit:,} bytes, compressed or decompressed. Send smaller"
            " requests, or raise the limit in the settings."
        )

    @classmethod
    def expands(cls, times: int) -> InputTooLargeError:
        """Return the error for a body that becomes so many times larger when decompressed."""
        return cls(
            f"The body becomes more than {times} times larger when decompressed. Send it with less"
            " compression, or in smaller requests."
        )
