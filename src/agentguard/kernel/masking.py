"""Removal of credentials from text that is logged or displayed."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_CREDENTIALS = re.compile(r"//[^/\s]*@")


def masked(text: str) -> str:
    """Return the text with user and password masked in every URL."""
    return _CREDENTIALS.sub("//…@", text)


def endpoint_of(url: str) -> str:
    """Return scheme, host and port of the URL, without credentials or path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
