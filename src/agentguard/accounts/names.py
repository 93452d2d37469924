"""The names that people give to keys and users."""

from __future__ import annotations

import unicodedata

from agentguard.accounts.errors import InvalidAccountError

LONGEST_NAME = 100
"""Characters."""


def clean_name(name: str, what: str) -> str:
    """Return the name in Unicode's composed form (NFC), without white space around it.

    Raises InvalidAccountError for an empty or too long one, and for one with control characters or
    lone surrogates.
    """
    plain = composed(name)
    if not 1 <= len(plain) <= LONGEST_NAME:
        raise InvalidAccountError(f"The name of a {what} has 1 to {LONGEST_NAME} characters.")
    if any(unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp") for each in plain):
        raise InvalidAccountError(f"The name of a {what} has no invisible characters.")
    return plain


def composed(name: str) -> str:
    """Return the name in NFC, without white space around it."""
    return unicodedata.normalize("NFC", name).strip()
