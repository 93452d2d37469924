"""Signing in and out, with a password."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from agentguard.accounts.back_off import (
    ACCOUNT,
    ADDRESS,
    FORGET,
    TooManyAttemptsError,
    account_source,
    address_source,
)
from agentguard.accounts.errors import NotSignedInError, SignInFailedError, SigningInBusyError
from agentguard.accounts.passwords import Match, Passwords
from agentguard.accounts.principal import Principal, PrincipalKind
from agentguard.accounts.sessions import (
    MOST_PER_USER,
    Session,
    SessionRules,
    new_session_token,
    session_hash,
)
from agentguard.accounts.store import UserStores
from agentguard.accounts.tokens import Tokens
from agentguard.accounts.trail import Trail
from agentguard.accounts.user_service import record_user
from agentguard.accounts.users import User
from agentguard.kernel.clock import Clock
from agentguard.unit_of_work import UnitOfWork

_AT_ONCE = 2
"""Passwords that a process checks at the same time: each takes 64 MiB."""
_MOST_WAITING = 20
_FORGOTTEN_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user who has just signed in."""

    user: User
    session: Session
    token: str = field(repr=False)
    """What the cookie holds."""


class Turns:
    """Lets few check a password at a time, and turns many away."""

    def __init__(self) -> None:
        self._free, self._waiting = asyncio.Semaphore(_AT_ONCE), 0

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Keep a place for the body. Raises SigningInBusyError."""
        if self._waiting >= _MOST_WAITING:
            raise SigningInBusyError
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def check(self, passwords: Passwords, password: str, known: str | None) -> Match | None:
        """Return whether the password is right; to be awaited where a place is kept."""
        async with self._free:
            return await asyncio.to_thread(passwords.check, password, known)


@dataclass(frozen=True, slots=True)
class SignInService:
    """Signs users in and out. Every method raises UnavailableError."""

    unit_of_work: UnitOfWork[UserStores]
    clock: Clock
    trail: Trail
    passwords: Passwords
    rules: SessionRules
    tokens: Callable[[], Tokens]
    turns: Turns = field(default_factory=Turns)

    async def sign_in(self, name: str, password: str, address: str) -> SignedIn:
        """Begin a session of the user.

        Raises SignInFailedError, TooManyAttemptsError, SigningInBusyError.
        """
        user = await self._identified(name, password, address)
        return await self.begin(user, address, {"with": "password"})

    async def token(self, name: str, password: str, address: str) -> str:
        """Return a short-lived token of the user; raises as `sign_in`."""
        user = await self._identified(name, password, address)

        async def work(stores: UserStores) -> User:
            current = await _unchanged(stores, user)
            await self._record(stores, current, "user.token_issued", address, {})
            return current

        return self.tokens().issue(await self.unit_of_work.run(work), self.clock())

    async def begin(self, user: User, address: str, how: Mapping[str, object]) -> SignedIn:
        """Begin a session of a user who was identified. Raises SignInFailedError."""
        now, token = self.clock(), new_session_token(self.trail.random)
        session = Session(session_hash(token), user.id, user.generation, now, now)

        async def work(stores: UserStores) -> User:
            current = replace(await _unchanged(stores, user), signed_in_at=now)
            await stores.users.put(current)
            await self._make_room(stores, current, now)
            await stores.sessions.put(session)
            await self._record(stores, current, "user.signed_in", address, how)
            return current

        return SignedIn(await self.unit_of_work.run(work), session, token)

    async def sign_out(self, actor: Principal, token: str | None, *, everywhere: bool) -> None:
        """End the session of the token, or all sessions and tokens of the user.

        Raises NotSignedInError.
        """

        async def work(stores: UserStores) -> None:
            user = await _acting(stores, actor)
            if everywhere:
                await stores.users.put(user.signed_out())
            elif token is None:
                raise NotSignedInError
            else:
                await stores.sessions.remove([session_hash(token)])
            action = "user.signed_out_everywhere" if everywhere else "user.signed_out"
            await record_user(stores, self.trail, actor, user, action)

        await self.unit_of_work.run(work)

    async def change_password(self, actor: Principal, former: str, new: str, address: str) -> None:
        """Change the actor's own password, who is then signed out everywhere.

        Raises NotSignedInError, SignInFailedError, TooManyAttemptsError, InvalidAccountError.
        """
        name = (await self.unit_of_work.read(lambda stores: _acting(stores, actor))).name
        user = await self._identified(name, former, address)
        hashed = await asyncio.to_thread(self.passwords.hash, new)

        async def work(stores: UserStores) -> None:
            current = (await _unchanged(stores, user)).with_password(hashed)
            await stores.users.put(current)
            await record_user(stores, self.trail, actor, current, "user.password_changed")

        await self.unit_of_work.run(work)

    async def user_of(self, actor: Principal) -> User:
        """Return the user who acts. Raises NotSignedInError."""
        return await self.unit_of_work.read(lambda stores: _acting(stores, actor))

    async def _identified(self, name: str, password: str, address: str) -> User:
        """Return the user with this name and password, counting the attempt before it is known.

        An unknown name takes as long as a wrong password. Who is turned away because others sign in
        has made no attempt.
        """
        with self.turns.entered():
            user = await self._attempted(name, address)
            known = None if user is None else user.password_hash
            match = await self.turns.check(self.passwords, password, known)
        if user is None or match is None:
            raise SignInFailedError
        return await self._succeeded(user, match, name, address)

    async def _attempted(self, name: str, address: str) -> User | None:
        """Count an attempt and return the user of the name. Raises TooManyAttemptsError."""
        now = self.clock()
        sources = {account_source(name): ACCOUNT, address_source(address): ADDRESS}

        async def work(stores: UserStores) -> User | None:
            await stores.sign_ins.forget(now - FORGET, most=_FORGOTTEN_AT_ONCE)
            found = {each: await stores.sign_ins.attempts(each) for each in sources}
            wait = max(found[each].seconds_to_wait(sources[each], now) for each in sources)
            if wait:
                raise TooManyAttemptsError(wait)
            for each in sources:
                await stores.sign_ins.put(each, found[each].one_more(now))
            return await stores.users.named(name)

        return await self.unit_of_work.run(work)

    async def _succeeded(self, user: User, match: Match, name: str, address: str) -> User:
        """Forget the account's failures and this attempt from the address."""

        async def work(stores: UserStores) -> User:
            current, place = await _unchanged(stores, user), address_source(address)
            if match.better_hash is not None:
                current = replace(current, password_hash=match.better_hash)
                await stores.users.put(current)
            counted = await stores.sign_ins.attempts(account_source(name))
            await stores.sign_ins.put(account_source(name), replace(counted, failed=0))
            from_address = await stores.sign_ins.attempts(place)
            await stores.sign_ins.put(place, from_address.one_less())
            return current

        return await self.unit_of_work.run(work)

    async def _make_room(self, stores: UserStores, user: User, now: int) -> None:
        """Remove the user's sessions that are over, and the oldest of too many."""
        sessions = await stores.sessions.of_user(user.id)
        valid = [each for each in sessions if each.is_valid(user, now, self.rules)]
        kept = {each.hash for each in valid[: MOST_PER_USER - 1]}
        await stores.sessions.remove([each.hash for each in sessions if each.hash not in kept])

    async def _record(
        self,
        stores: UserStores,
        user: User,
        action: str,
        address: str,
        more: Mapping[str, object],
    ) -> None:
        """Enter what a user did; name and address are in the payload, which can be removed."""
        who = user.principal(PrincipalKind.SESSION)
        facts = {"name": user.name, "address": address, **more}
        await self.trail.record(stores.audit, who, action, object_id=user.id, payload=facts)


async def _unchanged(stores: UserStores, user: User) -> User:
    """Return the user, who may have been removed or signed out while a password was checked."""
    current = await stores.users.find(user.id)
    if current is None or current.generation != user.generation:
        raise SignInFailedError
    return current


async def _acting(stores: UserStores, actor: Principal) -> User:
    """Return the user who acts, by id alone: others may have the id as their name."""
    if actor.kind not in (PrincipalKind.SESSION, PrincipalKind.SCRIPT):
        raise NotSignedInError
    found = await stores.users.find(actor.id.removeprefix("user:"))
    if found is None:
        raise NotSignedInError
    return found
