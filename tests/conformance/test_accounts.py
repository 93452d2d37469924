"""What every store of keys, users and sessions promises, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from agentguard.accounts.back_off import Attempts
from agentguard.accounts.errors import LastAdminError
from agentguard.accounts.keys import ApiKey, FormerSecret, Token
from agentguard.accounts.passwords import Passwords
from agentguard.accounts.principal import EVERY_PERMISSION, Permission
from agentguard.accounts.roles import Role
from agentguard.accounts.sessions import Session
from agentguard.accounts.user_service import UserService
from agentguard.accounts.users import Subject, User
from agentguard.adapters.sql.account_inspection import has_accounts
from agentguard.adapters.sql.database import Database, open_database
from agentguard.adapters.sql.tables import api_keys
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.recording import AuditTrail
from agentguard.kernel.clock import system_clock
from tests.accounts.quick import QUICK
from tests.acting import TESTER
from tests.databases import KINDS, empty_database

pytestmark = pytest.mark.anyio

NOW = system_clock()


@asynccontextmanager
async def opened(kind: str, folder: Path) -> AsyncIterator[SqlUnitOfWork]:
    async with empty_database(kind) as server, open_database(folder, server) as database:
        yield SqlUnitOfWork(database, system_clock)


@pytest.fixture(params=KINDS)
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlUnitOfWork]:
    async with opened(request.param, tmp_path) as unit_of_work:
        yield unit_of_work


def key(number: int = 0, **changed) -> ApiKey:
    made = ApiKey(
        f"{number:012x}",
        "a\0 name ü\ud800",
        frozenset({Permission.READ, Permission.INGEST}),
        Token("", str(number)).hash,
        NOW + number * 1000,
        "os-user:ada",
    )
    return replace(made, **changed)


async def put(stores: SqlUnitOfWork, *keys: ApiKey) -> None:
    async def work(s) -> None:
        for each in keys:
            await s.keys.put(each)

    await stores.run(work)


async def test_a_key_is_read_as_it_was_written(stores):
    written = key(
        scopes=EVERY_PERMISSION,
        expires_at=NOW + 5000,
        revoked_at=NOW + 6000,
        rotated_at=NOW + 7000,
        former=FormerSecret(b"\0" * 32, NOW + 8000),
    )
    await put(stores, written)

    assert await stores.read(lambda s: s.keys.find(written.id)) == written
    await put(stores, replace(written, former=None))
    assert await stores.read(lambda s: s.keys.find(written.id)) == replace(written, former=None)


@pytest.mark.parametrize("unknown", ["", "nobody", "a\0b", "\ud800", "%"])
async def test_an_unknown_key_is_none(stores, unknown: str):
    await put(stores, key())

    assert await stores.read(lambda s: s.keys.find(unknown)) is None
    assert await stores.read(lambda s: s.keys.newest(5, before=unknown)) == ()


async def test_keys_come_in_pages_the_last_created_first(stores):
    keys = [key(n) for n in range(5)] + [key(9, created_at=key(4).created_at)]
    await put(stores, *keys)

    first = await stores.read(lambda s: s.keys.newest(2))
    second = await stores.read(lambda s: s.keys.newest(9, before=first[-1].id))

    assert [each.id[-1] for each in (*first, *second)] == ["9", "4", "3", "2", "1", "0"]


async def test_the_last_use_never_goes_back_and_a_change_keeps_it(stores):
    await put(stores, key(1), key(2))
    for time in (NOW + 9000, NOW + 3000):
        await stores.run(lambda s, time=time: s.keys.used({key(1).id: time, "gone": time}))
    await put(stores, key(1, name="other"))

    found = await stores.read(lambda s: s.keys.find(key(1).id))

    assert (found.last_used_at, found.name) == (NOW + 9000, "other")
    assert (await stores.read(lambda s: s.keys.find(key(2).id))).last_used_at is None


async def test_revoked_keys_count_as_existing(stores):
    assert not await stores.read(lambda s: s.keys.any())

    await put(stores, key(revoked_at=NOW))

    assert await stores.read(lambda s: s.keys.any())


def statements_of(database: Database) -> list[tuple[str, Any]]:
    """Return a list that grows with each statement of the database, and its parameters."""
    seen = list[tuple[str, Any]]()

    @event.listens_for(database.engine.sync_engine, "before_cursor_execute")
    def _note(_connection, _cursor, statement, parameters, *_rest) -> None:
        seen.append((statement, parameters))

    return seen


async def test_a_lookup_among_10_000_keys_reads_one_row_of_an_index(stores):
    rows = [
        {
            "id": f"{n:012x}",
            "name": "k",
            "scopes": "read",
            "hash": b"h",
            "created_at": NOW,
            "created_by": "t",
        }
        for n in range(10_000)
    ]

    async with stores.database.engine.begin() as connection:
        await connection.execute(insert(api_keys), rows)
        if connection.dialect.name == "postgresql":
            await connection.execute(text("ANALYZE api_keys"))
    asked = statements_of(stores.database)
    found = await stores.read(lambda s: s.keys.find("00000000270f"))
    ((statement, parameters),) = [each for each in asked if "FROM api_keys" in each[0]]
    async with stores.database.reading() as connection:
        explain = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        answer = await connection.exec_driver_sql(f"{explain} {statement}", parameters)
        plan = str(answer.all())

    assert "Index Scan using pk_api_keys" in plan or "SEARCH api_keys USING INDEX" in plan
    assert found.id == "00000000270f"


@pytest.mark.parametrize("first", ["key", "user"])
@pytest.mark.parametrize("kind", KINDS)
async def test_whether_accounts_exist_is_seen_without_opening_the_database(kind, first, tmp_path):
    async with empty_database(kind) as server:
        assert not await has_accounts(tmp_path, server)
        assert list(tmp_path.iterdir()) == []
        async with open_database(tmp_path, server) as database:
            assert not await has_accounts(tmp_path, server)
            stores = SqlUnitOfWork(database, system_clock)
            if first == "key":
                await put(stores, key())
            else:
                await stores.run(lambda s: s.users.put(user()))

        assert await has_accounts(tmp_path, server)


def user(number: int = 0, **changed) -> User:
    made = User(f"u{number}", f"Ada {number}", Role.ADMIN, NOW + number * 1000, "os-user:ada")
    return replace(made, **changed)


def session(number: int = 0, **changed) -> Session:
    return replace(Session(f"{number:064x}", "u0", 0, NOW + number * 1000, NOW), **changed)


async def test_a_user_is_read_as_written_by_id_name_and_subject(stores):
    written = user(
        name="ÉVA\0",
        generation=4,
        password_hash="$argon2id$",
        subject=Subject("https://id.example", "\0|42"),
        signed_in_at=NOW + 9000,
    )
    await stores.run(lambda s: s.users.put(user(1)))
    await stores.run(lambda s: s.users.put(written))

    async def read(s) -> list[User | None]:
        return [
            await s.users.find("u0"),
            await s.users.named("éva\0"),
            await s.users.of_subject(Subject("https://id.example", "\0|42")),
            await s.users.named("eva"),
            await s.users.of_subject(Subject("https://other.example", "\0|42")),
            await s.users.find("\ud800"),
        ]

    assert await stores.read(read) == [written, written, written, None, None, None]
    changed = replace(written, role=Role.VIEWER, subject=None)
    await stores.run(lambda s: s.users.put(changed))
    assert await stores.read(lambda s: s.users.find("u0")) == changed


async def test_users_come_in_pages_and_admins_are_counted(stores):
    async def put(s) -> None:
        for number in range(4):
            await s.users.put(user(number, role=Role.ADMIN if number else Role.VIEWER))

    assert not await stores.read(lambda s: s.users.any())
    await stores.run(put)

    first = await stores.read(lambda s: s.users.oldest(3))
    rest = await stores.read(lambda s: s.users.oldest(3, after=first[-1].id))
    assert [each.id for each in (*first, *rest)] == ["u0", "u1", "u2", "u3"]
    assert await stores.read(lambda s: s.users.admins()) == 3
    assert await stores.read(lambda s: s.users.oldest(3, after="nobody")) == ()


async def test_sessions_go_with_their_user(stores):
    async def put(s) -> None:
        await s.users.put(user(0))
        await s.users.put(user(1))
        for each in (session(0), session(1), session(2, user_id="u1")):
            await s.sessions.put(each)

    await stores.run(put)
    await stores.run(lambda s: s.sessions.seen({session(0).hash: NOW + 5000, "gone": NOW}))
    await stores.run(lambda s: s.sessions.seen({session(0).hash: NOW - 5000}))
    found = await stores.read(lambda s: s.sessions.of_user("u0"))
    assert found == (session(1), session(0, seen_at=NOW + 5000))

    await stores.run(lambda s: s.sessions.remove([session(1).hash, "gone"]))
    assert await stores.read(lambda s: s.sessions.find(session(1).hash)) is None
    await stores.run(lambda s: s.users.remove("u0"))
    assert await stores.read(lambda s: s.sessions.find(session(0).hash)) is None
    assert await stores.read(lambda s: s.sessions.find(session(2).hash)) is not None


async def test_attempts_are_kept_by_source_until_they_are_old(stores):
    await stores.run(lambda s: s.sign_ins.put("a", Attempts(3, NOW)))
    await stores.run(lambda s: s.sign_ins.put("a", Attempts(4, NOW + 1000)))
    await stores.run(lambda s: s.sign_ins.put("b", Attempts(1, NOW + 9000)))

    assert await stores.read(lambda s: s.sign_ins.attempts("a")) == Attempts(4, NOW + 1000)
    await stores.run(lambda s: s.sign_ins.forget(NOW + 5000, most=9))
    assert await stores.read(lambda s: s.sign_ins.attempts("a")) == Attempts()
    await stores.run(lambda s: s.sign_ins.put("b", Attempts()))
    assert await stores.read(lambda s: s.sign_ins.attempts("b")) == Attempts()


async def test_of_two_admins_who_remove_each_other_at_once_one_stays(stores):
    """Each transaction sees two: only a serialisable one notices the other."""
    service = UserService(stores, system_clock, AuditTrail(), Passwords(QUICK))
    left: list[str] = []
    for number in range(5):
        users = [await service.create(TESTER, f"{number} {n}", Role.ADMIN) for n in range(2)]
        for each in left:
            await service.remove(TESTER, each)

        ended = await asyncio.gather(
            *(service.remove(TESTER, each.id) for each in users), return_exceptions=True
        )

        assert [type(each) for each in ended if isinstance(each, Exception)] == [LastAdminError]
        left = [each.id for each in await service.page(TESTER, 9)]
