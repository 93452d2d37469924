"""Errors of catalog files."""

from __future__ import annotations

from agentguard.kernel.errors import InvalidInputError


class CatalogFormatError(InvalidInputError):
    """The file is not a valid catalog; the message has the position and the remedy."""

    code = "catalog-format"

    def __init__(self, origin: str, line: int | None, problem: str) -> None:
        place = origin if line is None else f"{origin}:{line}"
        super().__init__(f"{place}: {problem}")
        self.line = line

    @property
    def extensions(self) -> dict[str, object]:
        return {} if self.line is None else {"line": self.line}
