"""Text forms that have exactly one spelling: base64, decimal numbers, lines of UTF-8."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping

from agentguard.audit.errors import AuditFormatError

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_HEX = re.compile(r"[0-9a-f]*")
_LARGEST = (1 << 63) - 1


def text_member(members: Mapping[str, object], name: str, part: str) -> str:
    """Return a member that must be text. Raises AuditFormatError, naming `part`."""
    value = members.get(name)
    if not isinstance(value, str):
        raise AuditFormatError(part, f"its {name} is not text")
    return value


def base64_text(raw: bytes) -> str:
    """Return standard base64 with padding (RFC 4648 §4)."""
    return b64encode(raw).decode("ascii")


def parse_base64(text: str, part: str) -> bytes:
    """Return the bytes of standard base64 with padding, without spaces and unused bits.

    Raises AuditFormatError, naming `part`.
    """
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        raise AuditFormatError(part, f"{_shown(text)} is not base64") from None
    if base64_text(raw) != text:
        raise AuditFormatError(part, f"{_shown(text)} is not the canonical base64 of its bytes")
    return raw


def parse_decimal(text: str, part: str) -> int:
    """Return a decimal number below 2**63, without sign and leading zeros.

    Raises AuditFormatError, naming `part`.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > _LARGEST:
        raise AuditFormatError(part, f"{_shown(text)} is not a decimal number below 2^63")
    return int(text)


def parse_hex(text: str, length: int, part: str) -> bytes:
    """Return this number of bytes from lower-case hexadecimal digits, two for each.

    Raises AuditFormatError, naming `part`.
    """
    if len(text) != 2 * length or not _HEX.fullmatch(text):
        raise AuditFormatError(part, f"{_shown(text)} is not {length} bytes in hexadecimal")
    return bytes.fromhex(text)


def parse_text(raw: bytes, part: str, limit_bytes: int) -> str:
    """Return UTF-8 text of whole lines, without control characters but newlines.

    Raises AuditFormatError, naming `part`.
    """
    if len(raw) > limit_bytes:
        raise AuditFormatError(part, f"it has {len(raw)} bytes, allowed {limit_bytes}")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise AuditFormatError(part, "it is not UTF-8") from None
    if any(character < " " and character != "\n" for character in text):
        raise AuditFormatError(part, "it has control characters")
    if not text.endswith("\n"):
        raise AuditFormatError(part, "its last line does not end")
    return text


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")
