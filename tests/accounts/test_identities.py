"""What a process remembers of credentials, and for how long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from agentguard.accounts.back_off import ACCOUNT
from agentguard.accounts.errors import (
    LastUserError,
    NotSignedInError,
    SignInFailedError,
    SigningInBusyError,
)
from agentguard.accounts.identities import FRESH_SECONDS, Identities, IdentityRules
from agentguard.accounts.key_service import KeyService
from agentguard.accounts.passwords import Passwords
from agentguard.accounts.principal import Permission, PrincipalKind
from agentguard.accounts.roles import Role
from agentguard.accounts.sessions import SessionRules
from agentguard.accounts.sign_in import SignInService
from agentguard.accounts.tokens import TokenKey, Tokens
from agentguard.accounts.user_service import UserService
from agentguard.adapters.sql.database import Database, open_database
from agentguard.adapters.sql.errors import DatabaseUnavailableError
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.recording import AuditTrail
from agentguard.kernel.clock import system_clock
from tests.accounts.quick import QUICK
from tests.acting import TESTER

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery staple"
SESSIONS = SessionRules(idle_hours=1, absolute_hours=2)
TOKENS = Tokens("HS256", TokenKey.parse("HS256", "s" * 32), (), 900, 30)


@dataclass
class Process:
    """One process: its clock is moved by hand."""

    unit_of_work: SqlUnitOfWork
    now: float = 100.0
    identities: Identities = field(init=False)

    def __post_init__(self) -> None:
        rules = IdentityRules(SESSIONS, lambda: TOKENS, users_required=False)
        self.identities = Identities(self.unit_of_work, system_clock, rules, lambda: self.now)

    @property
    def keys(self) -> KeyService:
        return KeyService(self.unit_of_work, system_clock, AuditTrail())

    @property
    def users(self) -> UserService:
        return UserService(self.unit_of_work, system_clock, AuditTrail(), Passwords(QUICK))

    @property
    def sign_in(self) -> SignInService:
        return SignInService(
            self.unit_of_work,
            system_clock,
            AuditTrail(),
            Passwords(QUICK),
            SESSIONS,
            lambda: TOKENS,
        )


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    async with open_database(tmp_path) as database:
        yield Process(SqlUnitOfWork(database, system_clock))


async def test_a_revocation_elsewhere_holds_after_half_a_second(process):
    assert FRESH_SECONDS <= 0.5
    made = await process.keys.create(TESTER, "k", [Permission.READ])
    assert await process.identities.of_bearer(made.token.text) is not None

    await process.keys.revoke(TESTER, made.key.id)

    process.now += 0.499
    assert await process.identities.of_bearer(made.token.text) is not None
    process.now += 0.001
    assert await process.identities.of_bearer(made.token.text) is None


async def test_so_do_another_role_a_sign_out_and_a_removal(process):
    await process.users.create(TESTER, "root", Role.ADMIN)
    await process.users.create(TESTER, "ada", Role.VIEWER, PASSWORD)
    session = (await process.sign_in.sign_in("ada", PASSWORD, "x")).token
    script = await process.sign_in.token("ada", PASSWORD, "x")

    async def rights() -> list[int | None]:
        process.now += FRESH_SECONDS
        found = [
            await process.identities.of_session(session),
            await process.identities.of_bearer(script),
        ]
        return [None if each is None else len(each.permissions) for each in found]

    assert await rights() == [1, 1]
    await process.users.set_role(TESTER, "ada", Role.OPERATOR)
    assert await rights() == [3, 3]
    await process.users.sign_out(TESTER, "ada")
    assert await rights() == [None, None]
    session = (await process.sign_in.sign_in("ada", PASSWORD, "x")).token
    script = await process.sign_in.token("ada", PASSWORD, "x")
    assert await rights() == [3, 3]
    await process.users.remove(TESTER, "ada")
    assert await rights() == [None, None]


async def test_removing_the_last_user_does_not_let_in_requests_without_credentials(process):
    await process.users.create(TESTER, "ada", Role.VIEWER)
    process.now += FRESH_SECONDS
    assert await process.identities.exist()

    with pytest.raises(LastUserError):
        await process.users.remove(TESTER, "ada")
    assert await Process(process.unit_of_work).identities.exist()

    await process.users.create(TESTER, "eve", Role.VIEWER)
    await process.users.remove(TESTER, "ada")
    assert await Process(process.unit_of_work).identities.exist()


async def test_whoever_is_named_like_a_removed_users_id_is_nobody_else(process):
    removed = await process.users.create(TESTER, "ada", Role.ADMIN, PASSWORD)
    other = await process.users.create(TESTER, removed.id.upper(), Role.ADMIN, PASSWORD)
    await process.users.remove(TESTER, removed.id)
    actor = removed.principal(PrincipalKind.SCRIPT)

    with pytest.raises(NotSignedInError):
        await process.sign_in.sign_out(actor, None, everywhere=True)
    with pytest.raises(NotSignedInError):
        await process.sign_in.change_password(actor, PASSWORD, PASSWORD * 2, "x")
    with pytest.raises(NotSignedInError):
        await process.sign_in.user_of(actor)
    assert (await process.users.page(TESTER, 2))[0] == other


class SlowPasswords(Passwords):
    """Each check takes until `go` is set."""

    def __init__(self, go: threading.Event) -> None:
        super().__init__(QUICK)
        self._go = go

    def check(self, password: str, hashed: str | None):
        assert self._go.wait(20)
        return super().check(password, hashed)


async def test_whoever_is_turned_away_has_made_no_attempt(process):
    await process.users.create(TESTER, "ada", Role.ADMIN, PASSWORD)
    go = threading.Event()
    service = replace(process.sign_in, passwords=SlowPasswords(go))

    others = [asyncio.create_task(service.sign_in(f"u{n}", "x", f"10.0.0.{n}")) for n in range(20)]
    try:
        await asyncio.sleep(0)
        for _ in range(ACCOUNT.free + 1):
            with pytest.raises(SigningInBusyError):
                await service.sign_in("ada", PASSWORD, "10.0.1.1")
    finally:
        go.set()
        refused = await asyncio.gather(*others, return_exceptions=True)

    assert {type(each) for each in refused} == {SignInFailedError}
    assert (await service.sign_in("ada", PASSWORD, "10.0.1.1")).user.name == "ada"


async def test_the_first_key_is_noticed_after_half_a_second_and_never_forgotten(process):
    assert not await process.identities.exist()
    made = await process.keys.create(TESTER, "k", [Permission.READ])
    process.now += 0.499
    assert not await process.identities.exist()
    process.now += 0.001
    assert await process.identities.exist()

    await process.keys.revoke(TESTER, made.key.id)
    process.now += 100
    assert await process.identities.exist()


@dataclass
class Switched:
    """A database that answers only while it is on."""

    database: Database
    is_on: bool = False

    def reading(self):
        if not self.is_on:
            raise DatabaseUnavailableError("db", "gone", "Start it.")
        return self.database.reading()


@pytest.mark.parametrize("users_required", [True, False])
async def test_nobody_is_let_in_without_credentials_before_the_database_has_answered(
    process, users_required
):
    database = Switched(process.unit_of_work.database)
    rules = IdentityRules(SESSIONS, lambda: TOKENS, users_required=users_required)
    stores = SqlUnitOfWork(database, system_clock)  # type: ignore[arg-type]
    identities = Identities(stores, system_clock, rules, lambda: process.now)

    async def answer() -> bool | type[Exception]:
        try:
            return await identities.exist()
        except DatabaseUnavailableError as error:
            return type(error)

    unknown = True if users_required else DatabaseUnavailableError
    assert [await answer(), await answer()] == [unknown, unknown]
    database.is_on = True
    assert await answer() is users_required
    process.now += 100
    database.is_on = False
    assert await answer() is users_required


async def test_a_key_in_use_is_read_twice_a_second_at_most(process):
    made = await process.keys.create(TESTER, "k", [Permission.READ])
    reads, read = [], process.unit_of_work.database.reading

    class Counting:
        def reading(self):
            reads.append(process.now)
            return read()

    process.identities._unit_of_work = SqlUnitOfWork(Counting(), system_clock)  # type: ignore[arg-type]  # noqa: SLF001
    for _ in range(1000):
        assert await process.identities.of_bearer(made.token.text) is not None
        process.now += 0.001

    assert len(reads) == 2
