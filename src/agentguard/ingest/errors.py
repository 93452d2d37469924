"""What can go wrong while reading foreign bytes."""

from __future__ import annotations

from agentguard.ingest.pieces import Refusal
from agentguard.kernel.errors import InvalidInputError


class UnreadableInputError(InvalidInputError):
    """Bytes or values that cannot be used from here on; the only error that parsers of this stage raise."""

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
