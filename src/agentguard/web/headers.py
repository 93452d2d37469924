"""Request headers of an ASGI scope."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import Scope

UNCACHED = {"Cache-Control": "no-store"}
"""Of responses that hold a secret or tell who is signed in (RFC 9111 §5.2.2.5)."""


def header_values(scope: Scope, name: bytes) -> list[str]:
    """Return all values of a header, whose name is given in lower case."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def listed_values(scope: Scope, names: Iterable[bytes]) -> list[str]:
    """Return the members of the comma-separated values of these headers."""
    values = [value for name in names for value in header_values(scope, name)]
    return [member.strip() for value in values for member in value.split(",")]
