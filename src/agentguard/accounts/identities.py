"""Looks up who sends a credential, on every request and therefore cheaply."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from agentguard.accounts.keys import ApiKey, parse_token
from agentguard.accounts.principal import Principal, PrincipalKind
from agentguard.accounts.sessions import Session, SessionRules, session_hash
from agentguard.accounts.store import KeyStores, UserStores
from agentguard.accounts.tokens import Tokens
from agentguard.accounts.users import User
from agentguard.kernel.clock import Clock
from agentguard.kernel.errors import UnavailableError
from agentguard.unit_of_work import UnitOfWork

FRESH_SECONDS = 0.5
"""So long a process trusts what it has read: a revocation by another process holds after this."""
MOST_REMEMBERED = 4096

T = TypeVar("T")


class IdentityStores(KeyStores, UserStores, Protocol):
    """What is read to find out who sends a request."""


@dataclass(slots=True)
class Recent(Generic[T]):
    """Values read lately, by key."""

    ticks: Callable[[], float]
    """Monotonic seconds."""
    _values: dict[str, tuple[float, T]] = field(default_factory=dict)

    def get(self, key: str) -> T | None:
        """Return the value, if it was read less than FRESH_SECONDS ago."""
        read_at, value = self._values.get(key, (0.0, None))
        return value if self.ticks() - read_at < FRESH_SECONDS else None

    def put(self, key: str, value: T, read_at: float) -> None:
        if len(self._values) >= MOST_REMEMBERED:
            self._values.clear()
        self._values[key] = (read_at, value)

    def forget(self, key: str) -> None:
        self._values.pop(key, None)


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """What is accepted beside API keys."""

    sessions: SessionRules
    tokens: Callable[[], Tokens]
    users_required: bool
    """Whether requests need credentials even while there are none."""


class Identities:
    """Finds principals by their credentials; one per process."""

    def __init__(
        self,
        unit_of_work: UnitOfWork[IdentityStores],
        clock: Clock,
        rules: IdentityRules,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._unit_of_work, self._clock, self._rules, self._ticks = (
            unit_of_work,
            clock,
            rules,
            ticks,
        )
        self._keys: Recent[ApiKey] = Recent(ticks)
        self._users: Recent[User] = Recent(ticks)
        self._sessions: Recent[tuple[Session, User]] = Recent(ticks)
        self._keys_used: dict[str, int] = {}
        self._sessions_used: dict[str, int] = {}
        self._exist: bool | None = rules.users_required or None
        """None: nobody could say yet."""
        self._asked_at = ticks() - FRESH_SECONDS

    async def exist(self) -> bool:
        """Return whether requests need credentials: there are users, or a key was created.

        Once they do they always do: keys are revoked, never deleted, and the last user stays. While
        the database is unreachable, the last answer counts; without one this raises
        UnavailableError.
        """
        known, asked_at = self._exist, self._ticks()
        if known or (known is not None and asked_at - self._asked_at < FRESH_SECONDS):
            return known
        try:
            self._exist = found = await self._unit_of_work.read(_exist)
        except UnavailableError:
            if known is None:
                raise
            return known
        self._asked_at = asked_at
        return found

    async def of_bearer(self, text: str) -> Principal | None:
        """Return whose API key or token this is; None if it is not accepted.

        Raises UnavailableError.
        """
        if text.startswith("ag_"):
            return await self._of_key(text)
        return await self._of_token(text) if text.count(".") == 2 else None

    async def of_session(self, token: str) -> Principal | None:
        """Return whose session's token this is; None if it is over. Raises UnavailableError."""
        hashed, now = session_hash(token), self._clock()
        found = self._sessions.get(hashed) or await self._session(hashed)
        if found is None:
            return None
        session, user = found
        if not session.is_valid(user, now, self._rules.sessions):
            return None
        self._sessions_used[hashed] = now
        return user.principal(PrincipalKind.SESSION)

    def forget_session(self, token: str) -> None:
        """Read the session anew at its next request: it was ended."""
        self._sessions.forget(session_hash(token))

    async def store_uses(self) -> None:
        """Store when keys and sessions were last used.

        Raises UnavailableError; the next call tries again.
        """
        keys, sessions = self._keys_used, self._sessions_used
        self._keys_used, self._sessions_used = {}, {}
        if not (keys or sessions):
            return

        async def work(stores: IdentityStores) -> None:
            await stores.keys.used(keys)
            await stores.sessions.seen(sessions)

        try:
            await self._unit_of_work.run(work)
        except UnavailableError:
            self._keys_used = keys | self._keys_used
            self._sessions_used = sessions | self._sessions_used
            raise

    async def _of_key(self, text: str) -> Principal | None:
        token = parse_token(text)
        if token is None:
            return None
        now, key = self._clock(), self._keys.get(token.key_id) or await self._key(token.key_id)
        if key is None or not key.accepts(token, now):
            return None
        self._keys_used[key.id] = now
        return key.principal()

    async def _of_token(self, text: str) -> Principal | None:
        claims = self._rules.tokens().read(text, self._clock())
        if claims is None:
            return None
        user = self._users.get(claims.user_id) or await self._user(claims.user_id)
        if user is None or user.generation != claims.generation:
            return None
        return user.principal(PrincipalKind.SCRIPT)

    async def _key(self, key_id: str) -> ApiKey | None:
        read_at = self._ticks()
        found = await self._unit_of_work.read(lambda stores: stores.keys.find(key_id))
        if found is not None:
            self._keys.put(key_id, found, read_at)
        return found

    async def _user(self, user_id: str) -> User | None:
        read_at = self._ticks()
        found = await self._unit_of_work.read(lambda stores: stores.users.find(user_id))
        if found is not None:
            self._users.put(user_id, found, read_at)
        return found

    async def _session(self, hashed: str) -> tuple[Session, User] | None:
        read_at = self._ticks()

        async def work(stores: IdentityStores) -> tuple[Session, User] | None:
            session = await stores.sessions.find(hashed)
            user = None if session is None else await stores.users.find(session.user_id)
            return None if session is None or user is None else (session, user)

        found = await self._unit_of_work.read(work)
        if found is not None:
            self._sessions.put(hashed, found, read_at)
        return found


async def _exist(stores: IdentityStores) -> bool:
    return await stores.keys.any() or await stores.users.any()
