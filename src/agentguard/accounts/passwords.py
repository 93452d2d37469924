"""Passwords, hashed with argon2id (RFC 9106)."""

from __future__ import annotations

import secrets
import unicodedata
from dataclasses import dataclass, field
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from agentguard.accounts.errors import InvalidAccountError

SHORTEST, LONGEST = 15, 1024
"""Characters. NIST SP 800-63B-4 §3.1.1.2: at least 15 where a password is the only factor."""


@dataclass(frozen=True, slots=True)
class Match:
    """A password that is the right one."""

    better_hash: str | None
    """Its hash with today's parameters, where the stored one has others."""


@dataclass(frozen=True)
class Passwords:
    """Hashes and checks passwords. Each call takes about 0.1 s of a core and 64 MiB."""

    hasher: PasswordHasher = field(
        default_factory=lambda: PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
    )

    @cached_property
    def nobodys_hash(self) -> str:
        """A hash that no known password has: checking it takes as long as checking a user's."""
        return self.hasher.hash(secrets.token_bytes(32))

    def hash(self, password: str) -> str:
        """Return the hash of a new password. Raises InvalidAccountError for a bad one."""
        plain = _plain(password)
        if not SHORTEST <= len(plain) <= LONGEST:
            raise InvalidAccountError(f"A password has {SHORTEST} to {LONGEST} characters.")
        return self.hasher.hash(plain)

    def check(self, password: str, password_hash: str | None) -> Match | None:
        """Return whether the hash is that of the password, as slowly for None as for a hash."""
        plain = _plain(password)[:LONGEST]
        try:
            self.hasher.verify(password_hash or self.nobodys_hash, plain)
        except (VerificationError, InvalidHashError):
            return None
        if password_hash is None:
            return None
        outdated = self.hasher.check_needs_rehash(password_hash)
        return Match(self.hasher.hash(plain) if outdated else None)


def _plain(password: str) -> str:
    """Return the password in one Unicode form (NIST SP 800-63B-4 §3.1.1.2), encodable as UTF-8."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace").decode()
