"""Who an identity provider's user is here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from agentguard.accounts.passwords import Passwords
from agentguard.accounts.roles import Role
from agentguard.accounts.single_sign_on import (
    Attempt,
    Identity,
    RoleRules,
    SingleSignOnService,
)
from agentguard.accounts.user_service import UserService
from agentguard.accounts.users import Subject
from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.recording import AuditTrail
from agentguard.kernel.clock import system_clock
from tests.accounts.quick import QUICK
from tests.acting import TESTER

pytestmark = pytest.mark.anyio

ATTEMPT = Attempt("s", "n", "v")


@dataclass
class Provider:
    """Says that everybody is called Bob; the code is the subject."""

    name: str = "bob"

    async def authorization_url(self, _attempt: Attempt) -> str:
        raise NotImplementedError

    async def identify(self, code: str, _attempt: Attempt) -> Identity:
        return Identity(Subject("https://id.example", code), {"preferred_username": self.name})


@pytest.mark.parametrize("name", ["bob", "b" * 100])
async def test_users_whose_name_is_taken_get_one_of_their_own(tmp_path: Path, name: str):
    async with open_database(tmp_path) as database:
        stores = SqlUnitOfWork(database, system_clock)
        users = UserService(stores, system_clock, AuditTrail(), Passwords(QUICK))
        for taken in ("root", name, f"{name} (x)"[-100:], f"{name} ({'x' * 40})"[-100:]):
            await users.create(TESTER, taken, Role.ADMIN)
        rules = RoleRules("groups", {}, Role.VIEWER)
        service = SingleSignOnService(stores, system_clock, AuditTrail(), Provider(name), rules)

        found = [await service.finish(code, ATTEMPT) for code in ("x", "x" * 41, "x" * 42)]

        assert len({each.name for each in found}) == 3
        assert all(each.name.endswith(f" ({each.id})") for each in found)
        assert max(len(each.name) for each in found) <= 100
        again = [await service.finish(code, ATTEMPT) for code in ("x", "x" * 41, "x" * 42)]
        assert again == found
