"""Removal of what an RPC's URL keeps secret from text that its server wrote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

_LONGEST_TEXT = 200
_SHORTEST_SECRET = 4
"""Shorter parts, such as the version `v3`, are no secrets."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The parts of a URL that may be keys: user, password, path and query."""

    parts: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(cls, url: str) -> Secrets:
        found = {part for part in _parts(url) if len(part) >= _SHORTEST_SECRET}
        return cls(tuple(sorted(found, key=len, reverse=True)))

    def removed_from(self, text: str) -> str:
        """Return the text on one line, shortened, with each secret replaced by `…`."""
        for part in self.parts:
            text = text.replace(part, "…")
        line = "".join(one if one.isprintable() else " " for one in text).strip()
        return line if len(line) <= _LONGEST_TEXT else f"{line[:_LONGEST_TEXT]}…"


def _parts(url: str) -> Iterator[str]:
    split = urlsplit(url)
    yield from (split.username or "", split.password or "", split.query, split.path)
    yield unquote(split.username or "")
    yield unquote(split.password or "")
    for segment in split.path.split("/"):
        yield segment
        yield unquote(segment)
    for name, value in parse_qsl(split.query, keep_blank_values=True):
        yield from (name, value)
    yield from (pair.partition("=")[2] for pair in split.query.split("&"))
