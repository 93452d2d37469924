"""Canonical JSON (RFC 8785): one value, one spelling, so that its bytes can be hashed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NoReturn

import rfc8785

from agentguard.audit.errors import AuditFormatError, UnrepresentableError

DEEPEST = 100
"""Levels of arrays and objects."""
_LARGEST_INTEGER = (1 << 53) - 1


def canonical_json(value: object) -> bytes:
    """Return the value's canonical JSON: mappings, lists, tuples, text, numbers, booleans, None.

    Integers beyond ±(2^53 - 1), which JSON's doubles cannot hold, become decimal text. Raises
    UnrepresentableError for anything else: NaN and infinities, lone surrogates, keys that are no
    text, other types, more than 100 levels.
    """
    plain = _plain(value, DEEPEST)
    try:
        return rfc8785.dumps(plain)  # type: ignore[arg-type]  # as _plain has checked
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise UnrepresentableError(str(error)) from None


def parse_json(raw: bytes, part: str) -> object:
    """Return a JSON value of foreign bytes, with the limits of I-JSON (RFC 7493).

    Numbers are doubles, as RFC 8785 has it: an integer beyond ±(2^53 - 1) becomes a float. Raises
    AuditFormatError, naming `part`, for what is no JSON, a key given twice, numbers beyond a
    double, lone surrogates and more than 100 levels.
    """
    return _parsed(raw, part)[0]


def parse_canonical_json(raw: bytes, part: str) -> object:
    """Return a value of bytes that are its canonical JSON. Raises AuditFormatError for others."""
    value, canonical = _parsed(raw, part)
    if canonical != raw:
        raise AuditFormatError(part, "it is not in its canonical form (RFC 8785)")
    return value


def _parsed(raw: bytes, part: str) -> tuple[object, bytes]:
    """Return the value and its canonical JSON."""
    try:
        value: object = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_constant=_refused,
            parse_int=_integer,
        )
        return value, canonical_json(value)
    except (ValueError, RecursionError, UnrepresentableError) as error:
        raise AuditFormatError(part, f"it is no I-JSON ({_first_line(error)})") from None


def _plain(value: object, levels: int) -> object:
    match value:
        case None | bool() | str() | float():
            return value
        case int():
            return value if abs(value) <= _LARGEST_INTEGER else _digits(value)
        case _ if levels == 0:
            raise UnrepresentableError(f"it has more than {DEEPEST} levels")
        case list() | tuple():
            return [_plain(member, levels - 1) for member in value]
        case Mapping():
            return {_key(key): _plain(member, levels - 1) for key, member in value.items()}
        case _:
            raise UnrepresentableError(f"it has a {type(value).__name__}")


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # thousands of digits
        raise UnrepresentableError("it has an integer with too many digits") from None


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise UnrepresentableError(f"it has a key that is a {type(key).__name__}")
    return key


def _without_duplicates(members: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a key is given twice")
    return found


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _integer(text: str) -> int | float:
    value = float(text)
    return int(text) if abs(value) <= _LARGEST_INTEGER else value


def _first_line(error: Exception) -> str:
    return "too many levels" if isinstance(error, RecursionError) else str(error).split("\n")[0]
