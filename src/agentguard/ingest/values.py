"""Attribute values in the one form that is kept: reduced, masked, capped."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from agentguard.ingest.attribute_selection import Reduction

LONGEST = 256
"""Characters of a kept text; a longer one is cut visibly and told apart by a digest of the whole.
"""

_MOST = 10**15

_SECRET = re.compile(
    r"(?:sk|pk|rk)-[A-Za-z0-9_\-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}|xox[abpr]-[A-Za-z0-9-]{10,}"
    r"|AIza[0-9A-Za-z_\-]{30,}|eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{5,}|Bearer\s+[A-Za-z0-9._\-]{12,}"
)
_VARYING = re.compile(
    r"^(?:\d+|[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}|[0-9a-fA-F]{16,})$"
)


def kept(value: Any, reduction: Reduction | None = None) -> Any:
    """Return the value as it is kept: text, number, truth or list of these.

    None where nothing is kept.
    """
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
    """Say whether a value can be an amount of tokens or money.

    A finite number that integers and sums of them can hold.
    """
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) <= _MOST


def plain(value: AnyValue) -> Any:
    """Return an AnyValue as text, number, truth, list or dict; bytes and nothing as None."""
    which = value.WhichOneof("value")
    if which is None or which == "bytes_value":
        return None
    if which == "array_value":
        return [plain(item) for item in value.array_value.values]
    if which == "kvlist_value":
        return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, which)


def capped(text: str) -> str:
    """Return the text, a long one cut and ended by a digest; lone surrogates replaced."""
    clean = text.encode("utf-8", "replace").decode()
    if len(clean) <= LONGEST:
        return clean
    digest = hashlib.blake2b(clean.encode(), digest_size=4).hexdigest()
    return f"{clean[: LONGEST - 10]}…{digest}"


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
