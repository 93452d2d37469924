"""Values of attributes that are kept by the form of their keys."""

from __future__ import annotations

from typing import Any

from agentguard.ingest.other_attributes import MODEL_IN_CONTENT, OtherAttributes, OtherUse
from agentguard.ingest.values import MAX_TEXT_LENGTH, kept

PRESENT = "yes"
_LONGEST_TEXT = 100_000


def other_label(others: OtherAttributes, key: str, value: Any) -> tuple[str, Any] | None:
    """Return the attribute and value to store, or None."""
    match others.use_of(key):
        case OtherUse.TEXT if not isinstance(value, str):
            return None
        case OtherUse.LABEL | OtherUse.TEXT:
            keep = kept(value)
            return None if keep is None else (key, keep)
        case OtherUse.PRESENCE:
            return key, PRESENT
        case OtherUse.MODEL:
            found = others.model.group(value[:_LONGEST_TEXT]) if isinstance(value, str) else None
            if found is None or len(found) >= MAX_TEXT_LENGTH:
                return None
            return MODEL_IN_CONTENT, found
        case _:
            return None
