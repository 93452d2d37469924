"""Errors of dialect files that users write."""

from __future__ import annotations

from collections.abc import Sequence

from agentguard.kernel.errors import FileFormatError, InvalidInputError


class DialectFormatError(FileFormatError):
    """One fault of a dialect file."""

    code = "dialect-format"
    advice = "Check AGENTGUARD_DIALECTS."

    @property
    def fault(self) -> dict[str, object]:
        """Return the fault as a member of a document."""
        return {"file": self.origin, "line": self.line, "problem": self.problem}


class InvalidDialectsError(InvalidInputError):
    """Dialect files are invalid; the message has a line for each fault."""

    code = "invalid-dialects"

    def __init__(self, faults: Sequence[DialectFormatError]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(fault.fault for fault in faults)

    @property
    def extensions(self) -> dict[str, object]:
        return {"faults": list(self.faults)}
