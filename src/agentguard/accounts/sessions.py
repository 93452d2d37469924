"""Sessions of signed-in users: how long they last, and their token against forged requests."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from agentguard.accounts.users import User
from agentguard.kernel.clock import NS_PER_HOUR, NS_PER_SECOND

TOKEN_BYTES = 32
MOST_PER_USER = 50
"""Further sign-ins end the oldest session."""
CLOCK_SKEW = 300 * NS_PER_SECOND
"""A session from further ahead was written before the clock was set back, and is void."""


@dataclass(frozen=True, slots=True)
class SessionRules:
    """How long a session lasts, in hours."""

    idle_hours: float
    """Without a request."""
    absolute_hours: float
    """After the sign-in, whatever happens."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it is stored. Times are in ns since the epoch."""

    hash: str
    """SHA-256 of its token, in hexadecimal: 256 random bits need no slow hash."""
    user_id: str
    generation: int
    """The user's when the session began."""
    created_at: int
    seen_at: int

    def ends_at(self, rules: SessionRules) -> int:
        """Return when it ends, unless another request comes."""
        idle = self.seen_at + int(rules.idle_hours * NS_PER_HOUR)
        return min(idle, self.created_at + int(rules.absolute_hours * NS_PER_HOUR))

    def is_valid(self, user: User, now: int, rules: SessionRules) -> bool:
        return (
            self.user_id == user.id
            and self.generation == user.generation
            and now < self.ends_at(rules)
            and self.created_at <= now + CLOCK_SKEW
        )


def new_session_token(random: Callable[[int], bytes]) -> str:
    """Return the token of a new session: what the cookie holds."""
    return base64.urlsafe_b64encode(random(TOKEN_BYTES)).decode().rstrip("=")


def session_hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def csrf_token(token: str) -> str:
    """Return the token that changes need in a header, which pages of other sites cannot read.

    It is derived from the session's, so that it needs no storage and ends with the session.
    """
    return hmac.digest(token.encode(), b"agentguard csrf", "sha256").hex()
