"""Versions of documents as entity tags: ETag, and If-Match against lost updates (RFC 9110)."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header

from agentguard.kernel.errors import AgentGuardError, InvalidInputError

_TAG = re.compile(r'"(\d{1,9})"')


class PreconditionRequiredError(AgentGuardError):
    """A change must say which version of the document it is based on (RFC 6585)."""

    code = "precondition-required"
    status = 428

    def __init__(self) -> None:
        super().__init__(
            "This change needs the header If-Match with the ETag of the version that it is based"
            " on, so that it overwrites nobody's change. `If-Match: *` accepts any version."
        )


class InvalidPreconditionError(InvalidInputError):
    """If-Match is no entity tag of this server."""

    code = "bad-precondition"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"If-Match is {text!r}. Send the ETag of the document as it was read, or `*`."
        )


def entity_tag(version: int) -> dict[str, str]:
    """Return the header that names this version of a document."""
    return {"ETag": f'"{version}"'}


IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=100,
        description="The ETag of the version that the change is based on; `*` for any version.",
    ),
]


def _required(if_match: IfMatch = None) -> int | None:
    if if_match is None:
        raise PreconditionRequiredError
    return _version(if_match)


def _optional(if_match: IfMatch = None) -> int | None:
    return None if if_match is None else _version(if_match)


def _version(text: str) -> int | None:
    if text.strip() == "*":
        return None
    found = _TAG.fullmatch(text.strip())
    if found is None:
        raise InvalidPreconditionError(text)
    return int(found[1])


ExpectedVersion = Annotated[int | None, Depends(_required)]
"""The version that a change is based on; None for any. Raises PreconditionRequiredError."""
OptionalVersion = Annotated[int | None, Depends(_optional)]
"""The same for what overwrites nothing: without the header, any version."""
