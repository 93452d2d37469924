"""API keys: their form, and when one is accepted.

A key is `ag_`, the key's id (12 hexadecimal digits), `_` and a secret of 256 random bits. Stored is
only the SHA-256 of the secret. A slow hash such as argon2id protects passwords because people
choose guessable ones; nobody can guess 256 random bits, so it would cost time at every request and
protect nothing.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest

from agentguard.accounts.errors import KeyRevokedError
from agentguard.accounts.principal import Permission, Principal, PrincipalKind

SECRET_BYTES = 32
_ID_BYTES = 6
_FORM = re.compile(r"ag_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


class KeyState(StrEnum):
    """Whether a key is accepted."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Token:
    """A key as its owner sends it. Never stored, logged or shown again."""

    key_id: str
    secret: str

    @property
    def text(self) -> str:
        return f"ag_{self.key_id}_{self.secret}"

    @property
    def hash(self) -> bytes:
        """What is stored of the secret, 32 bytes."""
        return sha256(self.secret.encode()).digest()

    def __repr__(self) -> str:
        return f"Token(ag_{self.key_id}_…)"


def parse_token(text: str) -> Token | None:
    """Return the token in a text; None if it has not the form of a key."""
    found = _FORM.fullmatch(text)
    return None if found is None else Token(found[1], found[2])


def new_token(random: Callable[[int], bytes], key_id: str | None = None) -> Token:
    """Return a token with a new secret, of a new key unless an id is given.

    `random` returns so many unpredictable bytes.
    """
    secret = base64.urlsafe_b64encode(random(SECRET_BYTES)).decode().rstrip("=")
    return Token(key_id or random(_ID_BYTES).hex(), secret)


@dataclass(frozen=True, slots=True)
class FormerSecret:
    """The secret before a rotation, which is accepted until a time (ns since the epoch)."""

    hash: bytes
    until: int


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored. Times are in ns since the epoch."""

    id: str
    name: str
    scopes: frozenset[Permission]
    hash: bytes
    """SHA-256 of the secret."""
    created_at: int
    created_by: str
    """Id of the principal who created it."""
    expires_at: int | None = None
    revoked_at: int | None = None
    rotated_at: int | None = None
    last_used_at: int | None = None
    former: FormerSecret | None = None

    @property
    def prefix(self) -> str:
        """The beginning of the key, by which its owner recognises it."""
        return f"ag_{self.id}"

    def state(self, now: int) -> KeyState:
        if self.revoked_at is not None:
            return KeyState.REVOKED
        expired = self.expires_at is not None and self.expires_at <= now
        return KeyState.EXPIRED if expired else KeyState.ACTIVE

    def accepts(self, token: Token, now: int) -> bool:
        """Return whether the token is this key's, in time independent of where they differ."""
        given = token.hash
        current = compare_digest(given, self.hash)
        former = self.former is not None and compare_digest(given, self.former.hash)
        in_time = self.former is not None and now < self.former.until
        return (current or (former and in_time)) and self.state(now) is KeyState.ACTIVE

    def principal(self) -> Principal:
        return Principal(f"api-key:{self.id}", PrincipalKind.API_KEY, self.scopes)

    def revoked(self, now: int) -> ApiKey:
        """Return the key, revoked; revoking twice changes nothing."""
        return self if self.revoked_at is not None else replace(self, revoked_at=now, former=None)

    def expiring(self, at: int | None) -> ApiKey:
        """Return the key with another time of expiry. Raises KeyRevokedError."""
        self._require_unrevoked()
        return replace(self, expires_at=at)

    def rotated(self, token: Token, now: int, former_until: int) -> ApiKey:
        """Return the key with the token's secret; the former one is accepted until a time.

        Raises KeyRevokedError.
        """
        self._require_unrevoked()
        former = FormerSecret(self.hash, former_until) if former_until > now else None
        return replace(self, hash=token.hash, rotated_at=now, former=former)

    def _require_unrevoked(self) -> None:
        if self.revoked_at is not None:
            raise KeyRevokedError(self.id)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key and its token, which is shown this once."""

    key: ApiKey
    token: Token
