"""The use cases of API keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agentguard.accounts.errors import InvalidAccountError, UnknownKeyError
from agentguard.accounts.keys import ApiKey, IssuedKey, new_token
from agentguard.accounts.names import clean_name
from agentguard.accounts.principal import Permission, Principal
from agentguard.accounts.store import KeyStores
from agentguard.accounts.trail import Trail
from agentguard.kernel.clock import NS_PER_HOUR, NS_PER_SECOND, Clock, timestamp
from agentguard.unit_of_work import UnitOfWork

LONGEST_OVERLAP_SECONDS = 30 * 24 * 3600
"""The longest time for which a rotation keeps the former secret."""
LONGEST_LIFE = 100 * 366 * 24 * NS_PER_HOUR


@dataclass(frozen=True, slots=True)
class KeyService:
    """Creates, lists, rotates and revokes API keys; each needs the permission `admin`.

    Every method raises PermissionDeniedError and UnavailableError.
    """

    unit_of_work: UnitOfWork[KeyStores]
    clock: Clock
    trail: Trail

    async def create(
        self,
        actor: Principal,
        name: str,
        scopes: Iterable[Permission],
        *,
        expires_at: int | None = None,
    ) -> IssuedKey:
        """Create a key with these permissions. Raises InvalidAccountError."""
        actor.require(Permission.ADMIN)
        allowed, plain, now = frozenset(scopes), clean_name(name, "key"), self.clock()
        if not allowed:
            raise InvalidAccountError("A key needs at least one scope.")
        _check_expiry(expires_at, now)
        token = new_token(self.trail.random)
        key = ApiKey(token.key_id, plain, allowed, token.hash, now, actor.id, expires_at)
        await self._store(actor, key, "key.created")
        return IssuedKey(key, token)

    async def page(
        self, actor: Principal, limit: int, *, before: str | None = None
    ) -> tuple[ApiKey, ...]:
        """Return keys, the last created first; `before` is the id of the last one already seen."""
        actor.require(Permission.ADMIN)
        return await self.unit_of_work.read(lambda s: s.keys.newest(limit, before=before))

    async def rotate(
        self, actor: Principal, key_id: str, *, overlap_seconds: float = 0
    ) -> IssuedKey:
        """Give the key a new secret; the former one is accepted for the overlap.

        Raises UnknownKeyError, KeyRevokedError, InvalidAccountError.
        """
        if not 0 <= overlap_seconds <= LONGEST_OVERLAP_SECONDS:
            raise InvalidAccountError("The overlap of a rotation is between 0 s and 30 days.")
        now, token = self.clock(), new_token(self.trail.random, key_id)
        until = now + int(overlap_seconds * NS_PER_SECOND)
        key = await self._change(
            actor, key_id, "key.rotated", lambda key: key.rotated(token, now, until)
        )
        return IssuedKey(key, token)

    async def expire(self, actor: Principal, key_id: str, at: int | None) -> ApiKey:
        """Let the key expire at a time, ns since the epoch, a past one at once; None: never.

        Raises UnknownKeyError, KeyRevokedError, InvalidAccountError.
        """
        now = self.clock()
        _check_expiry(at, now, past_allowed=True)
        end = None if at is None else max(at, now)
        return await self._change(
            actor, key_id, "key.expiry_changed", lambda key: key.expiring(end)
        )

    async def revoke(self, actor: Principal, key_id: str) -> ApiKey:
        """Revoke the key for good; revoking twice changes nothing. Raises UnknownKeyError."""
        now = self.clock()
        return await self._change(actor, key_id, "key.revoked", lambda key: key.revoked(now))

    async def _store(self, actor: Principal, key: ApiKey, action: str) -> None:
        async def work(stores: KeyStores) -> None:
            await stores.keys.put(key)
            await self._record(stores, actor, key, action)

        await self.unit_of_work.run(work)

    async def _change(
        self, actor: Principal, key_id: str, action: str, change: Callable[[ApiKey], ApiKey]
    ) -> ApiKey:
        actor.require(Permission.ADMIN)

        async def work(stores: KeyStores) -> ApiKey:
            found = await stores.keys.find(key_id)
            if found is None:
                raise UnknownKeyError(key_id)
            if (changed := change(found)) != found:
                await stores.keys.put(changed)
                await self._record(stores, actor, changed, action)
            return changed

        return await self.unit_of_work.run(work)

    async def _record(self, stores: KeyStores, actor: Principal, key: ApiKey, action: str) -> None:
        facts = {
            "name": key.name,
            "scopes": sorted(key.scopes),
            "expires_at": timestamp(key.expires_at or 0),
            "former_secret_until": None if key.former is None else timestamp(key.former.until),
        }
        await self.trail.record(stores.audit, actor, action, object_id=key.id, payload=facts)


def _check_expiry(at: int | None, now: int, *, past_allowed: bool = False) -> None:
    if at is None:
        return
    if at > now + LONGEST_LIFE:
        raise InvalidAccountError("A key expires within 100 years, or never.")
    if at <= now and not past_allowed:
        raise InvalidAccountError("A key expires in the future. Give a later time.")
