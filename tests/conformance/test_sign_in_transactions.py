"""What signs people in: nothing is left of what fails, except the attempt that was counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import pytest

from agentguard.accounts.principal import PrincipalKind
from agentguard.accounts.roles import Role
from agentguard.accounts.single_sign_on import Attempt, Identity, RoleRules, SingleSignOnService
from agentguard.accounts.users import Subject
from agentguard.audit.entries import Entry
from agentguard.audit.recording import AuditTrail
from agentguard.kernel.clock import system_clock
from tests.conformance.opened_apps import Opened, check_atomic, entries
from tests.conformance.owners import ADDRESS, ANN, PASSWORD, add_owners

pytestmark = pytest.mark.anyio

COUNTS = frozenset({"sign_in_attempts"})
"""An attempt counts before it is known whether the password is right."""


@dataclass(frozen=True)
class Provider:
    """Says that Bob signs in."""

    async def authorization_url(self, _attempt: Attempt) -> str:
        raise NotImplementedError

    async def identify(self, code: str, _attempt: Attempt) -> Identity:
        return Identity(Subject("https://id.example", code), {"name": "bob"})


async def sign_in(opened: Opened) -> None:
    await opened.app.accounts.sign_in.sign_in(ANN.name, PASSWORD, ADDRESS)


async def issue_token(opened: Opened) -> None:
    await opened.app.accounts.sign_in.token(ANN.name, PASSWORD, ADDRESS)


async def change_password(opened: Opened) -> None:
    ann = ANN.principal(PrincipalKind.SESSION)
    await opened.app.accounts.sign_in.change_password(ann, PASSWORD, "another password", ADDRESS)


async def sign_in_elsewhere(opened: Opened) -> None:
    rules = RoleRules("groups", {}, Role.VIEWER)
    unit_of_work = opened.app.accounts.sign_in.unit_of_work
    service = SingleSignOnService(unit_of_work, system_clock, AuditTrail(), Provider(), rules)
    await service.finish("code", Attempt("s", "n", "v"))


Call: TypeAlias = Callable[[Opened], Awaitable[None]]

CALLS: dict[Call, tuple[str, str | None]] = {
    sign_in: ("user.signed_in", f"user:{ANN.id}"),
    issue_token: ("user.token_issued", f"user:{ANN.id}"),
    change_password: ("user.password_changed", f"user:{ANN.id}"),
    sign_in_elsewhere: ("user.created", "system:single-sign-on"),
}
"""What is called, and the entry that it leaves: the action, and who did it."""


@pytest.mark.parametrize("call", CALLS)
async def test_nothing_is_left_but_the_count_whichever_statement_fails(opened: Opened, call: Call):
    await add_owners(opened)

    statements = await check_atomic(opened, lambda: call(opened), but=COUNTS)

    assert statements > 1


@pytest.mark.parametrize("call", CALLS)
async def test_one_entry_tells_of_it(opened: Opened, call: Call):
    await add_owners(opened)
    await call(opened)

    left = [Entry.parse(each.leaf) for each in await entries(opened)]
    assert [(each.action, each.actor.id) for each in left] == [CALLS[call]]


async def test_nothing_is_left_of_a_set_up_that_fails(opened: Opened):
    accounts = opened.app.accounts
    token = await accounts.set_up.begin()
    assert token is not None

    async def finish() -> None:
        await accounts.set_up.finish(token, "root", "a long password")

    assert await check_atomic(opened, finish) > 1
    (left,) = await entries(opened)
    told = Entry.parse(left.leaf)
    assert (told.action, told.actor.id) == ("user.created", "set-up-link")
