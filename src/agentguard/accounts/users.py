"""Users: who signs in, and what invalidates what they signed in with."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agentguard.accounts.names import composed
from agentguard.accounts.principal import Principal, PrincipalKind
from agentguard.accounts.roles import PERMISSIONS, Role


@dataclass(frozen=True, slots=True)
class Subject:
    """How an identity provider names a user (OpenID Connect Core 1.0 §2: `iss` and `sub`)."""

    issuer: str
    name: str


@dataclass(frozen=True, slots=True)
class User:
    """A person who may sign in. Times are in ns since the epoch."""

    id: str
    name: str
    """Unique, without regard to case."""
    role: Role
    created_at: int
    created_by: str
    """Id of the principal who created the user."""
    generation: int = 0
    """Sessions and tokens of another generation are void."""
    password_hash: str | None = None
    """Argon2id hash in the PHC string format; None: the user has no password, only single sign-on.
    """
    subject: Subject | None = None
    signed_in_at: int | None = None

    def principal(self, kind: PrincipalKind) -> Principal:
        return Principal(f"user:{self.id}", kind, PERMISSIONS[self.role])

    def with_role(self, role: Role) -> User:
        return replace(self, role=role)

    def with_password(self, password_hash: str) -> User:
        """Return the user with another password, signed out everywhere."""
        return replace(self, password_hash=password_hash).signed_out()

    def signed_out(self) -> User:
        """Return the user, signed out everywhere."""
        return replace(self, generation=self.generation + 1)


def name_key(name: str) -> str:
    """Return what is equal for names that mean the same user."""
    return composed(name).casefold()
