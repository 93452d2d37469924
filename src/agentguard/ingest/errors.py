"""What can go wrong while reading foreign bytes."""

from __future__ import annotations

from agentguard.ingest.payloads import Refusal
from agentguard.kernel.errors import AgentGuardError, InvalidInputError


class UnreadableInputError(InvalidInputError):
    """Bytes or values that cannot be used from here on.

    The only error that parsers of this stage raise.
    """

    code = "unreadable-input"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    @property
    def extensions(self) -> dict[str, object]:
        return {"reason": self.reason}

    def refusal(self, origin: str) -> Refusal:
        """Return the same as a value, with its place."""
        return Refusal(origin, self.reason, str(self))


class InputTooLargeError(AgentGuardError):
    """The whole input is longer than allowed: none of it is used."""

    code = "body-too-large"
    status = 413

    @classmethod
    def over(cls, limit: int) -> InputTooLargeError:
        """Return the error for this limit, in bytes."""
        return cls(
            f"The body is larger than {limit:,} bytes, as sent or unpacked. Send smaller ones, or"
            " raise the limit in the settings."
        )
