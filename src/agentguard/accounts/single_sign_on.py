"""Signing in with an identity provider: who that is here, and with which role."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from agentguard.accounts.errors import InvalidAccountError
from agentguard.accounts.names import LONGEST_NAME, clean_name
from agentguard.accounts.principal import EVERY_PERMISSION, Principal, PrincipalKind
from agentguard.accounts.roles import Role
from agentguard.accounts.store import UserStores
from agentguard.accounts.trail import Trail
from agentguard.accounts.user_service import record_user
from agentguard.accounts.users import Subject, User
from agentguard.kernel.clock import Clock
from agentguard.kernel.errors import AgentGuardError, UnavailableError
from agentguard.kernel.ids import sortable_id
from agentguard.unit_of_work import UnitOfWork

_NAME_CLAIMS = ("preferred_username", "email", "name", "sub")
_BY_PROVIDER = Principal("system:single-sign-on", PrincipalKind.SYSTEM, EVERY_PERMISSION)


class SingleSignOnFailedError(AgentGuardError):
    """The identity provider did not say who signs in, or nobody asked it."""

    code = "single-sign-on-failed"
    status = 401

    def __init__(self, reason: str) -> None:
        super().__init__(f"Single sign-on failed: {reason}. Start again at /sign-in.")


class NoRoleError(AgentGuardError):
    """The identity provider's user has no role here."""

    code = "no-role"
    status = 403

    def __init__(self) -> None:
        super().__init__(
            "The identity provider gives this user no role in AgentGuard. Ask its administrator,"
            " or see AGENTGUARD_OIDC_ROLES."
        )


class ProviderUnavailableError(UnavailableError):
    """The identity provider is unreachable or answers what cannot be used."""

    code = "identity-provider-unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The identity provider cannot be used: {reason}. Try again later.")


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a browser keeps while its user is at the provider; all three are random."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls, random: Callable[[int], bytes]) -> Attempt:
        return cls(*(base64.urlsafe_b64encode(random(48)).decode() for _ in range(3)))

    @classmethod
    def parse(cls, text: str) -> Attempt | None:
        """Return the attempt in a text that `text` returned; None if it is none."""
        parts = text.split(".")
        return cls(*parts) if len(parts) == 3 and all(parts) else None

    @property
    def text(self) -> str:
        return f"{self.state}.{self.nonce}.{self.verifier}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs in, as the provider says."""

    subject: Subject
    claims: Mapping[str, Any]


class IdentityProvider(Protocol):
    """Knows who users are. Every method raises ProviderUnavailableError."""

    async def authorization_url(self, attempt: Attempt) -> str:
        """Return where the browser goes to sign in."""

    async def identify(self, code: str, attempt: Attempt) -> Identity:
        """Return who has signed in, by the code that the provider gave the browser.

        Raises SingleSignOnFailedError.
        """


@dataclass(frozen=True, slots=True)
class RoleRules:
    """Which role a user gets: the highest that a value of the claim stands for."""

    claim: str
    roles: Mapping[str, Role]
    """Value of the claim → role."""
    default: Role | None
    """Without such a value; None: no access."""

    def role_of(self, claims: Mapping[str, Any]) -> Role | None:
        found = claims.get(self.claim)
        values = found if isinstance(found, list) else [found]
        roles = [
            self.roles[each] for each in values if isinstance(each, str) and each in self.roles
        ]
        return max(roles, key=list(Role).index, default=self.default)


@dataclass(frozen=True, slots=True)
class SingleSignOnService:
    """Finds or makes the user whom an identity provider names."""

    unit_of_work: UnitOfWork[UserStores]
    clock: Clock
    trail: Trail
    provider: IdentityProvider
    rules: RoleRules

    async def begin(self) -> tuple[str, Attempt]:
        """Return where the browser goes, and what it keeps meanwhile."""
        attempt = Attempt.new(self.trail.random)
        return await self.provider.authorization_url(attempt), attempt

    async def finish(self, code: str, attempt: Attempt) -> User:
        """Return the user, with the role that the provider's claims give now.

        Users are found by issuer and subject, never by name or address, which others may take over.
        Raises SingleSignOnFailedError, NoRoleError.
        """
        identity = await self.provider.identify(code, attempt)
        role = self.rules.role_of(identity.claims)
        if role is None:
            raise NoRoleError

        async def work(stores: UserStores) -> User:
            known = await stores.users.of_subject(identity.subject)
            if known is None:
                return await self._added(stores, identity, role)
            return await self._updated(stores, known, role)

        return await self.unit_of_work.run(work)

    async def _added(self, stores: UserStores, identity: Identity, role: Role) -> User:
        now = self.clock()
        id_ = sortable_id(now)
        name = await _free_name(stores, identity, id_)
        user = User(id_, name, role, now, _BY_PROVIDER.id, subject=identity.subject)
        await stores.users.put(user)
        await record_user(stores, self.trail, _BY_PROVIDER, user, "user.created")
        return user

    async def _updated(self, stores: UserStores, known: User, role: Role) -> User:
        is_last_admin = known.role is Role.ADMIN and await stores.users.admins() == 1
        if role is known.role or is_last_admin:
            return known
        changed = replace(known, role=role)
        await stores.users.put(changed)
        await record_user(stores, self.trail, _BY_PROVIDER, changed, "user.role_changed")
        return changed


async def _free_name(stores: UserStores, identity: Identity, user_id: str) -> str:
    """Return the name that the provider gives; with the user's id where another has it."""
    claims = identity.claims
    told = next((claims[each] for each in _NAME_CLAIMS if isinstance(claims.get(each), str)), "")
    plain = _cleaned(told) or "user"
    if await stores.users.named(plain) is None:
        return plain
    return f"{plain[: LONGEST_NAME - len(user_id) - 3]} ({user_id})"


def _cleaned(text: str) -> str:
    try:
        return clean_name(text[:LONGEST_NAME], "user")
    except InvalidAccountError:
        return ""
