"""Text that may go where secrets must not."""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(r"//[^/\s]*@")


def masked(text: str) -> str:
    """Return the text with user and password taken out of every URL in it."""
    return _CREDENTIALS.sub("//…@", text)
