"""Checks that lists and objects stand where a format has them.

A field of another kind refuses the span that it belongs to; nothing is skipped in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from agentguard.ingest.payloads import Refusal

MALFORMED = "malformed-span"
"""Reason of a refusal because of a field of the wrong kind."""

Shape: TypeAlias = Mapping[str, "Shape"] | Sequence["Shape"]
"""An object with the shapes of its members, or a list with the shape of its items.

Members that are not listed may be of any kind; null stands for a missing member.
"""


class MalformedError(ValueError):
    """A span does not have the structure of its format."""

    def __init__(self, message: str, reason: str = MALFORMED) -> None:
        super().__init__(message)
        self.reason = reason

    def refusal(self, origin: str, *, spans: int = 1) -> Refusal:
        """Return this error as a refusal of so many spans at the given origin."""
        return Refusal(origin, self.reason, str(self), spans)


def check(value: object, shape: Shape, name: str) -> None:
    """Raise MalformedError unless the value has the shape; the message names the field."""
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            raise MalformedError(f"{name} must be an object.")
        for key, inner in shape.items():
            if value.get(key) is not None:
                check(value[key], inner, f"`{key}` of {_within(name)}")
        return
    if not isinstance(value, list):
        raise MalformedError(f"{name} must be a list.")
    for item in value:
        check(item, shape[0], f"Each item of {_within(name)}")


def accepted(
    value: object, shape: Shape, place: str, what: str
) -> Iterator[tuple[str, dict[str, Any]] | Refusal]:
    """Yield each object of a list with its location; refuse everything that has another shape.

    Null is an empty list.
    """
    if value is not None and not isinstance(value, list):
        yield Refusal(place, MALFORMED, f"The {what}s must be a list.")
        return
    for number, item in enumerate(value or (), 1):
        at = f"{place}, {what} {number}"
        try:
            check(item, shape, f"A {what}")
        except MalformedError as error:
            yield error.refusal(at)
        else:
            yield at, item


def _within(name: str) -> str:
    return name[0].lower() + name[1:]
