"""Joins keys, users and sessions with their storage and the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial

import structlog

from agentguard.accounts.identities import Identities, IdentityRules
from agentguard.accounts.key_service import KeyService
from agentguard.accounts.passwords import Passwords
from agentguard.accounts.sessions import SessionRules
from agentguard.accounts.set_up import SetUpService
from agentguard.accounts.sign_in import SignInService
from agentguard.accounts.single_sign_on import SingleSignOnService
from agentguard.accounts.tokens import BadTokenKeyError, TokenKey, Tokens, key_texts
from agentguard.accounts.user_service import UserService
from agentguard.adapters.files.token_key import FOLDER, NAME, token_secret
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.recording import AuditTrail
from agentguard.bootstrap.single_sign_on import single_sign_on_of
from agentguard.compute.tasks import task_group
from agentguard.kernel.errors import AgentGuardError
from agentguard.settings import Settings, SettingsError

log = structlog.get_logger(__name__)

_STORE_USES_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Accounts:
    """Who may do what."""

    identities: Identities
    keys: KeyService
    users: UserService
    sign_in: SignInService
    set_up: SetUpService
    single_sign_on: SingleSignOnService | None
    """None: no identity provider is set."""
    tokens: Callable[[], Tokens]
    """Makes their key at the first call. Raises SettingsError for a bad one, OSError."""


def accounts_of(settings: Settings, unit_of_work: SqlUnitOfWork) -> Accounts:
    """Return the services of keys and users."""
    clock = unit_of_work.clock
    trail, passwords = AuditTrail(clock), Passwords()
    tokens = cache(partial(tokens_of, settings))
    sessions = SessionRules(settings.session_idle_hours, settings.session_hours)
    rules = IdentityRules(sessions, tokens, settings.users)
    return Accounts(
        Identities(unit_of_work, clock, rules),
        KeyService(unit_of_work, clock, trail),
        UserService(unit_of_work, clock, trail, passwords),
        SignInService(unit_of_work, clock, trail, passwords, sessions, tokens),
        SetUpService(unit_of_work, clock, trail, passwords),
        single_sign_on_of(settings, unit_of_work, trail),
        tokens,
    )


def tokens_of(settings: Settings) -> Tokens:
    """Return what issues and checks tokens. Raises SettingsError, OSError."""
    algorithm, former = settings.token_algorithm, settings.token_former_keys
    return Tokens(
        algorithm,
        _signing_key(settings),
        () if former is None else _former_keys(algorithm, former.get_secret_value()),
        settings.token_seconds,
        settings.token_leeway_seconds,
    )


def _signing_key(settings: Settings) -> TokenKey:
    given = settings.token_key
    if given is None and not settings.token_algorithm.startswith("HS"):
        raise SettingsError(
            f"AGENTGUARD_TOKEN_ALGORITHM is {settings.token_algorithm}, but AGENTGUARD_TOKEN_KEY"
            " is not set. Set it to a private key in PEM."
        )
    if given is None:
        return _made_key(settings)
    key = _key("AGENTGUARD_TOKEN_KEY", settings.token_algorithm, given.get_secret_value())
    if not key.can_sign:
        raise SettingsError("AGENTGUARD_TOKEN_KEY is a public key. Set it to the private one.")
    return key


def _made_key(settings: Settings) -> TokenKey:
    """Return the key in the data directory, which an earlier version may have made shorter."""
    try:
        return TokenKey.parse(settings.token_algorithm, token_secret(settings.data_dir))
    except BadTokenKeyError as error:
        raise SettingsError(
            f"The file {FOLDER}/{NAME} in the data directory is invalid: {error}. Delete it: the"
            " next start makes another."
        ) from None


def _former_keys(algorithm: str, text: str) -> tuple[TokenKey, ...]:
    return tuple(_key("AGENTGUARD_TOKEN_FORMER_KEYS", algorithm, each) for each in key_texts(text))


def _key(setting: str, algorithm: str, text: str) -> TokenKey:
    try:
        return TokenKey.parse(algorithm, text)
    except BadTokenKeyError as error:
        raise SettingsError(f"{setting} is invalid: {error}.") from None


@asynccontextmanager
async def storing_uses(accounts: Accounts) -> AsyncIterator[None]:
    """Store regularly, and at the end, when keys and sessions were last used.

    Raises SettingsError for a bad token key, OSError.
    """
    await asyncio.to_thread(accounts.tokens)
    async with task_group() as tasks:
        loop = tasks.create_task(_store_uses(accounts.identities))
        try:
            yield
        finally:
            loop.cancel()


async def _store_uses(identities: Identities) -> None:
    """Work until cancelled; then store what is left."""
    try:
        while True:
            await asyncio.sleep(_STORE_USES_SECONDS)
            await _store(identities)
    finally:
        await asyncio.shield(_store(identities))


async def _store(identities: Identities) -> None:
    try:
        await identities.store_uses()
    except (AgentGuardError, OSError) as error:
        log.warning("last_uses_not_stored", error=str(error))
    # The outermost frame of a loop: the next round tries again.
    except Exception:
        log.exception("last_uses_failed")
