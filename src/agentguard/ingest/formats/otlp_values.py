"""Values and attributes in OTLP/JSON."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

MAX_INT64 = 2**63 - 1


class _Everything:
    """Contains every key."""

    def __contains__(self, key: object) -> bool:
        return True


_ALL = _Everything()
_MAX_DEPTH = 32
"""Maximum nesting depth of a value."""


def objects(value: Any) -> Sequence[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def attributes_of(value: Any, keys: Container[str] = _ALL, depth: int = 0) -> dict[str, Any]:
    return {
        key: any_value(item.get("value"), depth)
        for item in objects(key_values(value))
        if isinstance(key := item.get("key"), str) and key in keys
    }


def key_values(written: Any) -> Sequence[Any]:
    """Return attributes as key-value pairs; some exporters write an object instead of a list."""
    if isinstance(written, dict):
        return [{"key": key, "value": value} for key, value in written.items()]
    return written if isinstance(written, list) else ()


def any_value(value: Any, depth: int = 0) -> Any:
    """Return an OTLP/JSON AnyValue as a Python value.

    A bare scalar is returned unchanged; an invalid or too deeply nested value gives None.
    """
    if not isinstance(value, dict):
        return None if isinstance(value, list) else value
    for kind, inner in value.items():
        if kind in _DECODERS and depth < _MAX_DEPTH:
            return _DECODERS[kind](inner, depth + 1)
    return None


def _array(value: Any, depth: int) -> list[Any]:
    values = value.get("values") if isinstance(value, dict) else None
    return [any_value(item, depth) for item in values] if isinstance(values, list) else []


def _pairs(value: Any, depth: int) -> dict[str, Any]:
    return attributes_of(value.get("values"), depth=depth) if isinstance(value, dict) else {}


_DECODERS: Mapping[str, Callable[[Any, int], Any]] = {
    "stringValue": lambda value, _: as_text(value),
    "intValue": lambda value, _: as_number(value),
    "boolValue": lambda value, _: value is True or value == "true",
    "doubleValue": lambda value, _: _double(value),
    "arrayValue": _array,
    "kvlistValue": _pairs,
}


def as_number(value: Any) -> int:
    try:
        return max(-MAX_INT64, min(int(value), MAX_INT64))
    except (TypeError, ValueError, OverflowError):
        return 0


def _double(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
