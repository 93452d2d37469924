"""Ids that sort by the time they were made."""

from __future__ import annotations

import secrets


def sortable_id(now: int) -> str:
    """Return an id whose text order is the order of `now` (ns), unique across processes: 16 hex
    digits of time, 8 of chance.
    """
    return f"{now:016x}-{secrets.token_hex(4)}"
