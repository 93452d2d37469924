"""The first administrator, made by whoever has the link that the server's first start prints."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest

from agentguard.accounts.errors import LinkUsedError
from agentguard.accounts.names import clean_name
from agentguard.accounts.passwords import Passwords
from agentguard.accounts.principal import Permission, Principal, PrincipalKind
from agentguard.accounts.roles import Role
from agentguard.accounts.store import UserStores
from agentguard.accounts.trail import Trail
from agentguard.accounts.user_service import add_user
from agentguard.accounts.users import User
from agentguard.kernel.clock import NS_PER_HOUR, Clock
from agentguard.kernel.ids import sortable_id
from agentguard.unit_of_work import UnitOfWork

LINK_HOURS = 24
_MOST_LINKS = 100
_BY_LINK = Principal("set-up-link", PrincipalKind.ANYONE, frozenset({Permission.ADMIN}))


@dataclass(frozen=True, slots=True)
class SetUpService:
    """Makes one-time links, and the first administrator by one of them."""

    unit_of_work: UnitOfWork[UserStores]
    clock: Clock
    trail: Trail
    passwords: Passwords

    async def begin(self) -> str | None:
        """Return the token of a new link, which is valid for a day; None if there are users.

        Those made before stay valid: each process that starts prints one of its own.
        """
        now, token = self.clock(), base64.urlsafe_b64encode(self.trail.random(32)).decode()[:43]

        async def work(stores: UserStores) -> str | None:
            if await stores.users.any():
                return None
            if len(await stores.sign_ins.links()) >= _MOST_LINKS:
                await stores.sign_ins.remove_links()
            await stores.sign_ins.put_link(_hash(token), now)
            return token

        return await self.unit_of_work.run(work)

    async def finish(self, token: str, name: str, password: str) -> User:
        """Create the first user, an administrator; all links are used then.

        Raises LinkUsedError, InvalidAccountError.
        """
        plain, now = clean_name(name, "user"), self.clock()
        # Before the slow hash: strangers must not cause it.
        await self.unit_of_work.read(lambda stores: _require(stores, token, now))
        hashed = await asyncio.to_thread(self.passwords.hash, password)
        user = User(sortable_id(now), plain, Role.ADMIN, now, _BY_LINK.id, password_hash=hashed)

        async def work(stores: UserStores) -> User:
            await _require(stores, token, now)
            await stores.sign_ins.remove_links()
            await add_user(stores, self.trail, _BY_LINK, user)
            return user

        return await self.unit_of_work.run(work)


async def _require(stores: UserStores, token: str, now: int) -> None:
    given, links = _hash(token), await stores.sign_ins.links()
    oldest = now - LINK_HOURS * NS_PER_HOUR
    valid = any(compare_digest(given, each) for each, made in links.items() if made > oldest)
    if not valid or await stores.users.any():
        raise LinkUsedError


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()
