"""The use cases of users, for administrators."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from agentguard.accounts.errors import (
    LastAdminError,
    LastUserError,
    NameTakenError,
    UnknownUserError,
)
from agentguard.accounts.names import clean_name
from agentguard.accounts.passwords import Passwords
from agentguard.accounts.principal import Permission, Principal
from agentguard.accounts.roles import Role
from agentguard.accounts.store import UserStores
from agentguard.accounts.trail import Trail
from agentguard.accounts.users import User
from agentguard.kernel.clock import Clock
from agentguard.kernel.ids import sortable_id
from agentguard.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class UserService:
    """Creates, lists, changes and removes users; each needs the permission `admin`.

    Users are referred to by id or name. Every method raises PermissionDeniedError and
    UnavailableError, and those with a reference UnknownUserError.
    """

    unit_of_work: UnitOfWork[UserStores]
    clock: Clock
    trail: Trail
    passwords: Passwords

    async def create(
        self, actor: Principal, name: str, role: Role, password: str | None = None
    ) -> User:
        """Create a user, who signs in with a password or, without one, elsewhere.

        Raises InvalidAccountError, NameTakenError.
        """
        actor.require(Permission.ADMIN)
        plain = clean_name(name, "user")
        hashed = None if password is None else await self._hashed(password)
        now = self.clock()
        user = User(sortable_id(now), plain, role, now, actor.id, password_hash=hashed)

        async def work(stores: UserStores) -> User:
            await add_user(stores, self.trail, actor, user)
            return user

        return await self.unit_of_work.run(work)

    async def page(
        self, actor: Principal, limit: int, *, after: str | None = None
    ) -> tuple[User, ...]:
        """Return users, the first created first; `after` is the id of the last one already seen."""
        actor.require(Permission.ADMIN)
        return await self.unit_of_work.read(lambda s: s.users.oldest(limit, after=after))

    async def set_role(self, actor: Principal, reference: str, role: Role) -> User:
        """Give the user a role, at once. Raises LastAdminError."""
        return await self._change(
            actor, reference, "user.role_changed", lambda user: user.with_role(role)
        )

    async def set_password(self, actor: Principal, reference: str, password: str) -> User:
        """Give the user a password and sign the user out everywhere. Raises InvalidAccountError."""
        actor.require(Permission.ADMIN)
        hashed = await self._hashed(password)
        return await self._change(
            actor, reference, "user.password_changed", lambda user: user.with_password(hashed)
        )

    async def sign_out(self, actor: Principal, reference: str) -> User:
        """Sign the user out everywhere: end all sessions and tokens."""
        return await self._change(actor, reference, "user.signed_out_everywhere", User.signed_out)

    async def remove(self, actor: Principal, reference: str) -> User:
        """Remove the user with all sessions and tokens. Raises LastAdminError, LastUserError."""
        actor.require(Permission.ADMIN)

        async def work(stores: UserStores) -> User:
            user = await found_user(stores, reference)
            if user.role is Role.ADMIN and await stores.users.admins() == 1:
                raise LastAdminError
            if len(await stores.users.oldest(2)) == 1:
                raise LastUserError
            await stores.users.remove(user.id)
            await record_user(stores, self.trail, actor, user, "user.removed")
            return user

        return await self.unit_of_work.run(work)

    async def _change(
        self, actor: Principal, reference: str, action: str, change: Callable[[User], User]
    ) -> User:
        actor.require(Permission.ADMIN)

        async def work(stores: UserStores) -> User:
            found = await found_user(stores, reference)
            changed = change(found)
            if changed == found:
                return found
            loses_admin = found.role is Role.ADMIN and changed.role is not Role.ADMIN
            if loses_admin and await stores.users.admins() == 1:
                raise LastAdminError
            await stores.users.put(changed)
            await record_user(stores, self.trail, actor, changed, action)
            return changed

        return await self.unit_of_work.run(work)

    async def _hashed(self, password: str) -> str:
        return await asyncio.to_thread(self.passwords.hash, password)


async def add_user(stores: UserStores, trail: Trail, actor: Principal, user: User) -> None:
    """Add the user in this transaction. Raises NameTakenError."""
    if await stores.users.named(user.name) is not None:
        raise NameTakenError(user.name)
    await stores.users.put(user)
    await record_user(stores, trail, actor, user, "user.created")


async def found_user(stores: UserStores, reference: str) -> User:
    """Return the user with this id or name. Raises UnknownUserError."""
    found = await stores.users.find(reference) or await stores.users.named(reference)
    if found is None:
        raise UnknownUserError(reference)
    return found


async def record_user(
    stores: UserStores, trail: Trail, actor: Principal, user: User, action: str
) -> None:
    """Enter what was done to a user; the name is in the payload, which can be removed."""
    facts = {"name": user.name, "role": user.role.value}
    await trail.record(stores.audit, actor, action, object_id=user.id, payload=facts)
