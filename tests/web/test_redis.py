"""A server with Redis: opened, asked, closed; and where it or its packages are not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import redis.asyncio

from agentguard.kernel.errors import UnavailableError
from scripts.services.process import free_port
from scripts.services.redis import redis as redis_server
from tests.services import own, redis_url
from tests.web.process import inherited
from tests.web.serving import opened

pytestmark = pytest.mark.anyio


async def test_without_redis_there_is_nothing_to_ask(tmp_path: Path):
    async with opened(tmp_path) as app:
        assert app.shared.ping_redis is None


async def test_a_ping_asks_redis(tmp_path: Path):
    async with opened(tmp_path, redis_url=redis_url(), redis_timeout_seconds=20) as app:
        assert app.shared.ping_redis is not None
        await app.shared.ping_redis()


async def test_where_redis_is_not_there_all_opens_and_closes_and_a_ping_says_so(tmp_path: Path):
    async with opened(
        tmp_path, redis_url=f"redis://127.0.0.1:{free_port()}/0", rate_limit=2
    ) as app:
        assert app.shared.ping_redis is not None
        with pytest.raises(UnavailableError, match="is unavailable"):
            await app.shared.ping_redis()
        assert app.limits is not None
        await app.cache.put("key", b"value")
        await app.notices.publish("topic", "text")

        assert await app.cache.get("key") == b"value"
        assert [(await app.limits.admit("client")).admitted for _ in range(3)] == [
            True,
            True,
            False,
        ]


async def test_what_was_opened_is_closed(tmp_path: Path):
    with own(redis_server, tmp_path) as server:
        url = server.settings["AGENTGUARD_REDIS_URL"]
        async with redis.asyncio.Redis.from_url(url) as beside:
            async with (
                opened(tmp_path, redis_url=url, redis_timeout_seconds=20) as app,
                app.notices.listen("topic"),
            ):
                await app.cache.put("key", b"value")
                during = len(await beside.client_list())
            after = len(await beside.client_list())

    assert during >= 3
    assert after == 1


@pytest.mark.parametrize("package", ["redis", "limits"])
def test_a_package_that_is_missing_is_named_with_what_to_do(tmp_path: Path, package: str):
    without = (
        f"import sys; sys.modules[{package!r}] = None; from agentguard.cli.main import run; run()"
    )
    environment = inherited() | {
        "REDIS_URL": "redis://127.0.0.1:6379/0",
        "AGENTGUARD_DATA_DIR": str(tmp_path),
    }
    ended = subprocess.run(
        [sys.executable, "-c", without, "scan", str(tmp_path)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ended.returncode != 0
    assert f"REDIS_URL is set, but the package {package!r} is not installed." in " ".join(
        ended.stderr.split()
    )
    assert "pip install 'agentguard[services]'" in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr
