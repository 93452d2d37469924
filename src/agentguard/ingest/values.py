"""Normalization of attribute values: reduced, masked, truncated."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from agentguard.ingest.attribute_selection import Reduction

MAX_TEXT_LENGTH = 256
"""Maximum length of a stored text; a longer one is truncated and ends with a digest."""

_MAX_AMOUNT = 10**15

_SECRET = re.compile(
    r"(?:sk|pk|rk)-[A-Za-z0-9_\-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}"
    r"|xox[abpr]-[A-Za-z0-9-]{10,}|AIza[0-9A-Za-z_\-]{30,}"
    r"|eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{5,}"
    r"|Bearer\s+[A-Za-z0-9._\-]{12,}"
)
_VARYING = re.compile(
    r"^(?:\d+|[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}|[0-9a-fA-F]{16,})$"
)


def kept(value: Any, reduction: Reduction | None = None) -> Any:
    """Return the value to store (text, number, bool or list of these), or None to drop it."""
    if isinstance(value, str):
        return capped(_SECRET.sub("[secret]", reduced(value, reduction)))
    if isinstance(value, list):
        return [item for item in map(kept, value[:64]) if item is not None]
    if isinstance(value, dict):
        return capped(
            _SECRET.sub("[secret]", json.dumps(value, ensure_ascii=False, sort_keys=True))
        )
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return reduced(str(value), reduction) if reduction else value


def is_amount(value: Any) -> bool:
    """Return whether the value is a usable number of tokens or amount of money.

    It must be finite and small enough for 64-bit sums.
    """
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) <= _MAX_AMOUNT


def plain(value: AnyValue) -> Any:
    """Return an AnyValue as text, number, bool, list or dict; bytes and empty values as None."""
    which = value.WhichOneof("value")
    if which is None or which == "bytes_value":
        return None
    if which == "array_value":
        return [plain(item) for item in value.array_value.values]
    if which == "kvlist_value":
        return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, which)


def capped(text: str) -> str:
    """Return the text, truncated with a digest if too long; lone surrogates are replaced."""
    clean = text.encode("utf-8", "replace").decode()
    if len(clean) <= MAX_TEXT_LENGTH:
        return clean
    digest = hashlib.blake2b(clean.encode(), digest_size=4).hexdigest()
    return f"{clean[: MAX_TEXT_LENGTH - 10]}…{digest}"


def reduced(text: str, reduction: Reduction | None) -> str:
    """Return the text in its reduced form."""
    match reduction:
        case None:
            return text
        case Reduction.HOST:
            return _host(text)
        case Reduction.PATH:
            return _path(text)
        case Reduction.OPERATION:
            return (text.split(None, 1) or [""])[0][:32].upper()
        case Reduction.FLAG:
            return "yes"


def _host(text: str) -> str:
    try:
        parts = urlsplit(text if "//" in text else f"//{text}")
        return f"{parts.hostname or ''}:{parts.port}" if parts.port else parts.hostname or ""
    except ValueError:
        return ""


def _path(text: str) -> str:
    try:
        path = urlsplit(text).path
    except ValueError:
        return ""
    return "/".join("{id}" if _VARYING.match(part) else part for part in path.split("/"))
