"""Async tests run on asyncio; an audit log in each database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conformance.audit_logs import Log, open_log
from tests.databases import KINDS


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=KINDS)
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Log]:
    async with open_log(request.param, tmp_path) as opened:
        yield opened
