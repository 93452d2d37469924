"""Ids that sort by creation time."""

from __future__ import annotations

import secrets


def sortable_id(now: int) -> str:
    """Return an id that sorts by `now` (ns) and is unique across processes.

    16 hex digits of time, then 8 random hex digits.
    """
    return f"{now:016x}-{secrets.token_hex(4)}"
