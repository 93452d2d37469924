"""Values and attributes in OTLP/JSON."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, TypeVar

from agentguard.ingest.formats.kinds import MalformedError

MAX_INT64 = 2**63 - 1

_Number = TypeVar("_Number", int, float)


class _Everything:
    """Contains every key."""

    def __contains__(self, key: object) -> bool:
        return True


_ALL = _Everything()
_MAX_DEPTH = 32
"""Maximum nesting depth of a value."""


def items(value: Any, name: str) -> Sequence[Any]:
    """Return the items of a list; null has none. Raise MalformedError for any other value."""
    if isinstance(value, list):
        return value
    if value is None:
        return ()
    raise MalformedError(f"`{name}` must be a list.")


def objects(value: Any, name: str) -> Sequence[Mapping[str, Any]]:
    """Return the items of a list of objects, as `items` does."""
    found = items(value, name)
    for item in found:
        if not isinstance(item, dict):
            raise MalformedError(f"Each item of `{name}` must be an object.")
    return found


def members(value: Any, name: str) -> Mapping[str, Any]:
    """Return an object; null has no members. Raise MalformedError for any other value."""
    if isinstance(value, dict):
        return value
    if value is None:
        return {}
    raise MalformedError(f"`{name}` must be an object.")


def as_text(value: Any) -> str:
    """Return a scalar as text; null is empty. Raise MalformedError for a list or an object."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        raise MalformedError("A list or an object stands in place of a text.")
    return "" if value is None else str(value)


def attributes_of(value: Any, keys: Container[str] = _ALL, depth: int = 0) -> dict[str, Any]:
    """Return those of the attributes that have these keys; raise MalformedError."""
    found: dict[str, Any] = {}
    for item in key_values(value):
        if (key := key_of(item)) in keys:
            found[key] = any_value(item.get("value"), depth)
    return found


def key_values(written: Any) -> Sequence[Any]:
    """Return attributes as key-value pairs; some exporters write an object instead of a list."""
    if isinstance(written, dict):
        return [{"key": key, "value": value} for key, value in written.items()]
    return items(written, "attributes")


def key_of(pair: Any) -> str:
    """Return the key of a key-value pair; a missing one is empty. Raise MalformedError."""
    key = pair.get("key", "") if isinstance(pair, dict) else None
    if isinstance(key, str):
        return key
    raise MalformedError("Each attribute must be an object whose key is a text.")


def any_value(value: Any, depth: int = 0) -> Any:
    """Return an OTLP/JSON AnyValue as a Python value.

    A bare scalar is returned unchanged; a too deeply nested value, or one of an unknown kind, gives
    None. Raises MalformedError for a list, and for lists and objects in place of each other.
    """
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise MalformedError("The value of an attribute must be an object.")
        return value
    for kind, inner in value.items():
        if kind in _DECODERS and depth < _MAX_DEPTH:
            return _DECODERS[kind](inner, depth + 1)
    return None


def _array(value: Any, depth: int) -> list[Any]:
    values = items(members(value, "arrayValue").get("values"), "values")
    return [any_value(item, depth) for item in values]


def _pairs(value: Any, depth: int) -> dict[str, Any]:
    return attributes_of(members(value, "kvlistValue").get("values"), depth=depth)


_DECODERS: Mapping[str, Callable[[Any, int], Any]] = {
    "stringValue": lambda value, _: as_text(value),
    "intValue": lambda value, _: as_number(value),
    "boolValue": lambda value, _: value is True or value == "true",
    "doubleValue": lambda value, _: _double(value),
    "arrayValue": _array,
    "kvlistValue": _pairs,
}


def as_number(value: Any) -> int:
    """Return a whole number, 0 if it is none. Raise MalformedError for a list or an object."""
    try:
        return max(-MAX_INT64, min(int(value), MAX_INT64))
    except TypeError:
        return _unknown(value, 0)
    except (ValueError, OverflowError):
        return 0


def _double(value: Any) -> float:
    try:
        return float(value)
    except TypeError:
        return _unknown(value, float("nan"))
    except ValueError:
        return float("nan")


def _unknown(value: Any, number: _Number) -> _Number:
    """Return the number that stands for null; raise MalformedError for a list or an object."""
    if isinstance(value, list | dict):
        raise MalformedError("A list or an object stands in place of a number.")
    return number
