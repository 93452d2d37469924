"""A key and two users with a session, stored without use cases."""

from __future__ import annotations

from agentguard.accounts.keys import ApiKey, Token
from agentguard.accounts.passwords import Passwords
from agentguard.accounts.principal import Permission
from agentguard.accounts.roles import Role
from agentguard.accounts.sessions import Session, session_hash
from agentguard.accounts.users import User
from agentguard.kernel.clock import system_clock
from tests.accounts.quick import QUICK
from tests.conformance.opened_apps import Opened

NOW = system_clock()
PASSWORD = "correct horse battery"
SESSION_TOKEN = "session"
ADDRESS = "192.0.2.1"
ROOT = User("root", "root", Role.ADMIN, NOW, "os-user:tester")
ANN = User(
    "ann",
    "ann",
    Role.VIEWER,
    NOW,
    "os-user:tester",
    password_hash=Passwords(QUICK).hash(PASSWORD),
)
API_KEY = ApiKey(
    "0" * 12, "ci", frozenset({Permission.READ}), Token("", "s").hash, NOW, "os-user:tester"
)


async def add_owners(opened: Opened) -> None:
    """Store the key, an administrator, and a user who is signed in."""

    async def work(stores) -> None:
        await stores.keys.put(API_KEY)
        for user in (ROOT, ANN):
            await stores.users.put(user)
        session = Session(session_hash(SESSION_TOKEN), ANN.id, ANN.generation, NOW, NOW)
        await stores.sessions.put(session)

    await opened.app.audit.unit_of_work.run(work)
