"""Short-lived tokens for scripts: JSON Web Tokens (RFC 7519), signed and checked with PyJWT."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import jwt
from jwt.types import Options

from agentguard.accounts.users import User
from agentguard.kernel.clock import NS_PER_SECOND

ALGORITHMS = ("HS256", "HS384", "HS512", "ES256", "RS256", "PS256", "EdDSA")
SHORTEST_SECRETS = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Bytes; RFC 7518 §3.2: a key has at least the size of the hash."""
_SMALLEST_MODULUS = 2048
"""Bits; RFC 7518 §3.3 and §3.5."""
_NAME = "agentguard"
_REQUIRED = ("iss", "aud", "sub", "iat", "exp", "gen")
_PEM = re.compile(r"-----BEGIN [^-]+-----.*?-----END [^-]+-----", re.DOTALL)


class BadTokenKeyError(ValueError):
    """A key cannot be used with the algorithm; the message does not show it."""


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key of an algorithm, and the id by which tokens name it."""

    id: str
    signs: Any = field(repr=False)
    checks: Any = field(repr=False)
    """The same, or the public key of an asymmetric algorithm."""

    @classmethod
    def parse(cls, algorithm: str, text: str) -> TokenKey:
        """Return the key in a text: a secret, or PEM. Raises BadTokenKeyError."""
        if (shortest := SHORTEST_SECRETS.get(algorithm)) is not None:
            secret = text.encode()
            if len(secret) < shortest:
                raise BadTokenKeyError(f"a key of {algorithm} has at least {shortest} bytes")
            return cls(_id(b"HS" + secret), secret, secret)
        made: Any = jwt.get_algorithm_by_name(algorithm)
        try:
            key = made.prepare_key(text)
        except (jwt.PyJWTError, ValueError, TypeError):
            raise BadTokenKeyError(f"no key of {algorithm} in PEM") from None
        public = key.public_key() if hasattr(key, "public_key") else key
        if algorithm.startswith(("RS", "PS")) and public.key_size < _SMALLEST_MODULUS:
            raise BadTokenKeyError(f"a key of {algorithm} has at least {_SMALLEST_MODULUS} bits")
        return cls(
            _id(repr(sorted(made.to_jwk(public, as_dict=True).items())).encode()), key, public
        )

    @property
    def can_sign(self) -> bool:
        return self.signs is not self.checks or isinstance(self.signs, bytes)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says."""

    user_id: str
    generation: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """Issues tokens with one key, and accepts those of former keys too.

    To rotate: the new key first, the one before among the former ones until its tokens are over.
    """

    algorithm: str
    key: TokenKey
    former: Sequence[TokenKey]
    """Secrets, or public keys of asymmetric algorithms."""
    seconds: int
    """How long a token is valid."""
    leeway_seconds: int
    """How far the clocks of servers may differ."""

    def issue(self, user: User, now: int) -> str:
        """Return a token of the user; `now` in ns since the epoch."""
        seconds = now // NS_PER_SECOND
        claims = {
            "iss": _NAME,
            "aud": _NAME,
            "sub": user.id,
            "iat": seconds,
            "exp": seconds + self.seconds,
            "gen": user.generation,
        }
        return jwt.encode(claims, self.key.signs, self.algorithm, headers={"kid": self.key.id})

    def read(self, text: str, now: int) -> Claims | None:
        """Return what a token says; None if it is not ours, over, or not valid yet."""
        try:
            claims = self._claims(text)
        # PyJWT parses a header that anybody can send: with lone surrogates, or nested deeply.
        except (jwt.PyJWTError, UnicodeEncodeError, RecursionError):
            return None
        began, ends, leeway = claims["iat"], claims["exp"], self.leeway_seconds
        numbers = (began, ends, claims["gen"])
        if not all(type(each) is int for each in numbers) or not isinstance(claims["sub"], str):
            return None
        in_time = began - leeway <= now / NS_PER_SECOND < ends + leeway
        return Claims(claims["sub"], claims["gen"]) if in_time else None

    def _claims(self, text: str) -> dict[str, Any]:
        key = self._checking(jwt.get_unverified_header(text).get("kid"))
        # The times are checked by `read`, against the clock that it is given.
        options: Options = {
            "require": list(_REQUIRED),
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        }
        return jwt.decode(
            text,
            key,
            algorithms=[self.algorithm],
            audience=_NAME,
            issuer=_NAME,
            options=options,
        )

    def _checking(self, key_id: object) -> Any:
        found = next((key for key in (self.key, *self.former) if key.id == key_id), None)
        if found is None:
            raise jwt.InvalidKeyError
        return found.checks


def key_texts(text: str) -> list[str]:
    """Return the keys in a text: PEM blocks, or secrets separated by commas."""
    blocks = _PEM.findall(text)
    return blocks or [part.strip() for part in text.split(",") if part.strip()]


def _id(key: bytes) -> str:
    return sha256(key).hexdigest()[:16]
