"""Bodies whose decoding had to be stopped, by digest."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field

_MOST = 1024
"""Digests that are kept; a sender that repeats a body does so within minutes."""


@dataclass(frozen=True, slots=True)
class CostlyBodies:
    """Remembers the last bodies that were too costly, so that none is decoded a second time."""

    _digests: OrderedDict[bytes, None] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._digests)

    def add(self, body: bytes) -> None:
        """Remember this body."""
        self._digests[_digest(body)] = None
        if len(self._digests) > _MOST:
            self._digests.popitem(last=False)

    def known(self, body: bytes) -> bool:
        """Return whether the body is remembered. Costs nothing while none is."""
        return bool(self._digests) and _digest(body) in self._digests


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()
