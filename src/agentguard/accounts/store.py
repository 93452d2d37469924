"""The ports to stored keys, users and sessions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from agentguard.accounts.back_off import Attempts
from agentguard.accounts.keys import ApiKey
from agentguard.accounts.sessions import Session
from agentguard.accounts.users import Subject, User


class ApiKeys(Protocol):
    """API keys, within one transaction."""

    async def find(self, key_id: str) -> ApiKey | None:
        """Return the key with this id, or None, at a cost that does not grow with their number."""

    async def any(self) -> bool:
        """Return whether a key was ever created; revoked and expired ones count."""

    async def newest(self, limit: int, *, before: str | None = None) -> tuple[ApiKey, ...]:
        """Return keys, the last created first; after the key `before`, none if that is unknown."""

    async def put(self, key: ApiKey) -> None:
        """Create or replace the key, but for the time of its last use."""

    async def used(self, times: Mapping[str, int]) -> None:
        """Store when keys, by id, were last used; never an earlier time than the stored one."""


class Users(Protocol):
    """Users, within one transaction."""

    async def find(self, user_id: str) -> User | None:
        """Return the user with this id, or None."""

    async def named(self, name: str) -> User | None:
        """Return the user of this name, without regard to case, or None."""

    async def of_subject(self, subject: Subject) -> User | None:
        """Return the user whom an identity provider names so, or None."""

    async def any(self) -> bool:
        """Return whether there are users."""

    async def admins(self) -> int:
        """Return the number of users with the role `admin`."""

    async def oldest(self, limit: int, *, after: str | None = None) -> tuple[User, ...]:
        """Return users, the first created first; those after the user `after`."""

    async def put(self, user: User) -> None:
        """Create or replace the user, whose name no other one has: the caller has looked."""

    async def remove(self, user_id: str) -> None:
        """Remove the user with all sessions; nothing if there is none."""


class Sessions(Protocol):
    """Sessions, within one transaction."""

    async def find(self, session_hash: str) -> Session | None:
        """Return the session with this hash, or None."""

    async def of_user(self, user_id: str) -> tuple[Session, ...]:
        """Return a user's sessions, the last begun first."""

    async def put(self, session: Session) -> None:
        """Create the session."""

    async def seen(self, times: Mapping[str, int]) -> None:
        """Store when sessions, by hash, were last used; never an earlier time."""

    async def remove(self, hashes: Collection[str]) -> None:
        """Remove sessions; those that are unknown are skipped."""


class SignIns(Protocol):
    """Attempts to sign in that have not succeeded, and set-up links, within one transaction."""

    async def attempts(self, source: str) -> Attempts:
        """Return the attempts of a source; none are `Attempts()`."""

    async def put(self, source: str, attempts: Attempts) -> None:
        """Replace the attempts of a source; none remove it."""

    async def forget(self, before: int, *, most: int) -> None:
        """Remove up to so many sources whose last attempt was before a time."""

    async def links(self) -> Mapping[str, int]:
        """Return the hashes of all set-up links, and when each was made."""

    async def put_link(self, link_hash: str, made_at: int) -> None:
        """Add a set-up link."""

    async def remove_links(self) -> None:
        """Remove all set-up links."""


class UserStores(Protocol):
    """What use cases about users need."""

    @property
    def users(self) -> Users: ...

    @property
    def sessions(self) -> Sessions: ...

    @property
    def sign_ins(self) -> SignIns: ...

    @property
    def audit(self) -> Any:
        """The log to which `Trail.record` appends."""


class KeyStores(Protocol):
    """What use cases about keys need."""

    @property
    def keys(self) -> ApiKeys: ...

    @property
    def audit(self) -> Any:
        """The log to which `Trail.record` appends."""
