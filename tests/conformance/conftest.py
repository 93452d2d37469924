"""Async tests run on asyncio; an audit log, or an application, in each database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from agentguard.adapters.sql.database import Database, open_database
from agentguard.adapters.sql.postgresql import PostgreSQL
from agentguard.bootstrap.opening import open_app
from agentguard.coordination.dispatching import Dispatcher
from agentguard.settings import Settings
from tests.accounts.quick import _quick_hashes  # noqa: F401 - a fixture
from tests.conformance.audit_logs import Log, open_log
from tests.conformance.opened_apps import FailedAtTheEndError, Opened
from tests.databases import KINDS, empty_database


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=KINDS)
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Log]:
    async with open_log(request.param, tmp_path) as opened:
        yield opened


@pytest.fixture(params=KINDS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[PostgreSQL | None]:
    async with empty_database(request.param) as found:
        yield found


@pytest.fixture
async def opened(server: PostgreSQL | None, tmp_path: Path) -> AsyncIterator[Opened]:
    settings = Settings(data_dir=tmp_path, database_url=SecretStr(server.url) if server else None)
    async with open_app(settings) as app, open_database(tmp_path, server) as database:
        yield Opened(app, database, tmp_path)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what lets every transaction fail once its last statement has run."""

    def start() -> None:
        write = Database.write

        async def failing_write(self: Database, work: Callable[[Any], Awaitable[Any]]) -> Any:
            async def and_fail(connection: Any) -> Any:
                await work(connection)
                raise FailedAtTheEndError

            return await write(self, and_fail)

        monkeypatch.setattr(Database, "write", failing_write)

    return start


@pytest.fixture
def undrained(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what keeps follow-ups in the outbox."""

    async def not_now(*_arguments: object) -> bool:
        return False

    def keep() -> None:
        monkeypatch.setattr(Dispatcher, "drain", not_now)
        monkeypatch.setattr(Dispatcher, "deliver", not_now)

    return keep
