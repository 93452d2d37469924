"""Text that may go where secrets must not."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_CREDENTIALS = re.compile(r"//[^/\s]*@")


def masked(text: str) -> str:
    """Return the text with user and password taken out of every URL in it."""
    return _CREDENTIALS.sub("//…@", text)


def place_of(url: str) -> str:
    """Return where the URL points, for people: scheme, host and port, nothing secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
