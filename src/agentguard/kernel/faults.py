"""Faults of given values, as sentences, from the types and contexts of Pydantic's errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LONGEST_VALUE = 80
SECRET = "secret"  # noqa: S105 - a type of errors
"""Type of errors about secrets, which are not repeated."""

_REQUIREMENTS = {
    "missing": "is required",
    "extra_forbidden": "is unknown",
    "json_invalid": "must be valid JSON: {error}",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "too_short": "must have at least {min_length} item(s)",
    "too_long": "must have at most {max_length} item(s)",
    "value_error": "{error}",
    "none_required": "must be null",
}
_TYPES = {
    "int": "must be an integer",
    "float": "must be a number",
    "bool": "must be true or false",
    "string": "must be a string",
    "list": "must be a list",
    "tuple": "must be a list",
    "dict": "must be an object",
    "model": "must be an object",
    "path": "must be a path",
    "date": "must be a date (ISO 8601)",
    "datetime": "must be a time (ISO 8601)",
}
"""Requirements of error types that start with the name of a type: `int_parsing`, `int_type`."""


def requirement(fault: Mapping[str, Any]) -> str:
    """Return what one of Pydantic's errors asks for: "must be an integer".

    An error of another type keeps its message: our validators raise these.
    """
    kind = str(fault["type"])
    if (written := _REQUIREMENTS.get(kind)) is not None:
        return written.format_map(_Context(fault.get("ctx", {})))
    return _TYPES.get(kind.partition("_")[0], str(fault["msg"]))


def given_value(fault: Mapping[str, Any]) -> str:
    """Return "; got VALUE", or nothing where the value does not help or is an object."""
    value = fault.get("input")
    if fault["type"] in ("missing", "extra_forbidden", "json_invalid", "value_error", SECRET):
        return ""
    if isinstance(value, dict | list):
        return f"; got {'an object' if isinstance(value, dict) else f'a list of {len(value)}'}"
    written = repr(value)
    return f"; got {written if len(written) <= _LONGEST_VALUE else written[:_LONGEST_VALUE] + '…'}"


class _Context(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return f"({key})"
