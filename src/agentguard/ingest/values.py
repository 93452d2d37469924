"""Normalization of attribute values: reduced, masked, truncated."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import urlsplit

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from agentguard.ingest.attribute_selection import Reduction
from agentguard.ingest.path_templates import folded_path
from agentguard.ingest.secret_shapes import LONGEST_SEARCHED, without_secrets

MAX_TEXT_LENGTH = 256
"""Maximum length of a stored text; a longer one is truncated and ends with a digest."""
_LONGEST_JSON = 1_000_000
"""Characters of a JSON text that is parsed, as for facts."""

_LONGEST_URL = 4096
"""Characters of a URL that are parsed; of its host or path, at most MAX_TEXT_LENGTH are stored."""


def kept(value: Any, reduction: Reduction | None = None) -> Any:
    """Return the value to store (text, number, bool or list of these), or None to drop it."""
    if isinstance(value, str):
        return shown(reduced(unquoted(value), reduction))
    if isinstance(value, list):
        return [item for item in map(kept, value[:64]) if item is not None]
    if isinstance(value, dict):
        return shown(json.dumps(value, ensure_ascii=False, sort_keys=True))
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return reduced(str(value), reduction) if reduction else value


def parsed(value: Any) -> Any:
    """Return the value of JSON text; other values, and text that is not JSON, unchanged."""
    if not isinstance(value, str) or len(value) > _LONGEST_JSON:
        return value
    try:
        return orjson.loads(value.encode("utf-8", "replace"))
    except orjson.JSONDecodeError:
        return value


def unquoted(text: str) -> str:
    """Return the text without its quotes if it is the JSON form of a text, as MLflow writes it."""
    if len(text) < 3 or text[0] != '"' or text[-1] != '"':
        return text
    value = parsed(text)
    return value if isinstance(value, str) else text


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


def shown(text: str) -> str:
    """Return the text without secrets, truncated with a digest if too long."""
    clean = text.encode("utf-8", "replace").decode()
    return _truncated(without_secrets(clean), clean)


def capped(text: str) -> str:
    """Return the text, truncated with a digest if too long; lone surrogates are replaced."""
    clean = text.encode("utf-8", "replace").decode()
    return _truncated(clean, clean)


def _truncated(visible: str, whole: str) -> str:
    """Return the visible text, shortened to end with the digest of the whole if either is long."""
    if len(visible) <= MAX_TEXT_LENGTH and len(whole) <= LONGEST_SEARCHED:
        return visible
    hashed = visible if len(whole) <= LONGEST_SEARCHED else whole
    digest = hashlib.blake2b(hashed.encode(), digest_size=4).hexdigest()
    return f"{visible[: MAX_TEXT_LENGTH - 10]}…{digest}"


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
            return (text[:_LONGEST_URL].split(None, 1) or [""])[0][:32].upper()
        case Reduction.FLAG:
            return "yes"


def _host(text: str) -> str:
    url = text[:_LONGEST_URL]
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        return f"{parts.hostname or ''}:{parts.port}" if parts.port else parts.hostname or ""
    except ValueError:
        return ""


def _path(text: str) -> str:
    try:
        return folded_path(urlsplit(text[:_LONGEST_URL]).path)
    except ValueError:
        return ""
