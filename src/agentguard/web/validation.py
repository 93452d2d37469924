"""Requests that do not match their schema, as sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agentguard.kernel.errors import AgentGuardError
from agentguard.kernel.faults import given_value, requirement

MOST_SHOWN = 100
"""Faults that one response lists."""


class InvalidRequestError(AgentGuardError):
    """A request does not match its schema."""

    code = "invalid-request"
    status = 422

    def __init__(self, faults: Sequence[Mapping[str, Any]]) -> None:
        self._count = len(faults)
        self._errors = [
            {"location": [str(part) for part in fault["loc"]], "message": _sentence(fault)}
            for fault in faults[:MOST_SHOWN]
        ]
        super().__init__(
            f"{' '.join(str(each['message']) for each in self._errors[:3])} See /docs for the"
            " schema."
        )

    @property
    def extensions(self) -> dict[str, object]:
        return {"errors": self._errors, "total_errors": self._count}


def _sentence(fault: Mapping[str, Any]) -> str:
    return f"{_subject(fault)} {requirement(fault)}{given_value(fault)}."


def _subject(fault: Mapping[str, Any]) -> str:
    """Return what is wrong, as a client names it: "`agent_ids[2]`", "The request body"."""
    place, *path = fault["loc"]
    if place == "body" and (not path or fault["type"] == "json_invalid"):
        return "The request body"
    name = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path)
    plain = f"`{name.removeprefix('.')}`"
    return plain if place == "body" else f"The {place} parameter {plain}"
