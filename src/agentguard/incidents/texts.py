"""What people write about incidents, checked once where it comes in."""

from __future__ import annotations

import unicodedata

from agentguard.incidents.errors import InvalidIncidentError

LONGEST_TITLE = 200
LONGEST_OWNER = 200
LONGEST_NOTE = 10_000
"""Characters; an audit entry with a note of this length stays below its size limit."""
LONGEST_ID = 1000
MOST_NAMED = 1000
"""Components or workflows that one request may name."""

_LINE_BREAKS = "\n\t"


def clean_title(text: str) -> str:
    """Return the title in composed form (NFC); raise InvalidIncidentError."""
    return _clean(text, "title", LONGEST_TITLE)


def clean_owner(text: str | None) -> str | None:
    """Return the owner in composed form, None for an empty one; raise InvalidIncidentError."""
    return _clean(text, "owner", LONGEST_OWNER) if text and text.strip() else None


def clean_note(text: str) -> str:
    """Return a note of one or more lines in composed form; raise InvalidIncidentError."""
    return _clean(text.replace("\r\n", "\n"), "note", LONGEST_NOTE, allowed=_LINE_BREAKS)


def optional_note(text: str | None) -> str | None:
    """Return the same for a note that may be left out; an empty one counts as left out."""
    return clean_note(text) if text and text.strip() else None


def _clean(text: str, what: str, longest: int, allowed: str = "") -> str:
    plain = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(plain) <= longest:
        raise InvalidIncidentError(f"The {what} of an incident has 1 to {longest:,} characters.")
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in allowed for c in plain):
        raise InvalidIncidentError(f"The {what} of an incident has no control characters.")
    return plain
