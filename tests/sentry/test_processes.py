"""Real processes.

What breaks in them arrives at an intake, with its place and without anything that was sent or set.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.databases import empty_database
from tests.sentry.intake import KEY, Intake, intake
from tests.traces.spans import json as delivery
from tests.web.process import Server, inherited, running

SERVE = [sys.executable, "-m", "agentguard.cli", "serve"]
API_KEY, BODY_TEXT, QUERY, COOKIE = "zq9-api-key", "zq9-body-text", "zq9-query", "zq9-cookie"
DATABASE_PASSWORD = "zq9-database-password"
HEADERS = {"Authorization": f"Bearer {API_KEY}", "Cookie": f"session={COOKIE}"}


def broken(directory: Path) -> Path:
    """Return the folder with a data directory in which no graph can be kept.

    A file stands where its folder belongs.
    """
    (directory / "data").mkdir()
    (directory / "data" / "graphs").write_text("not a folder")
    return directory


def scan(server: Server, *, spans: int = 1) -> httpx.Response:
    told = [
        {"spanId": str(n), "serviceName": f"{BODY_TEXT}-agent", "attributes": {"prompt": BODY_TEXT}}
        for n in range(spans)
    ]
    body = [{"traceId": "t", "spans": told}]
    return httpx.post(
        f"{server.url}/api/scan", params={"dataset": QUERY}, json=body, headers=HEADERS, timeout=60
    )


def deliver(server: Server) -> httpx.Response:
    headers = {**HEADERS, "Content-Type": "application/json"}
    return httpx.post(
        f"{server.url}/v1/traces", content=delivery([1, 2]).body, headers=headers, timeout=60
    )


def assert_tells_the_place(event: dict, file: str) -> None:
    assert event["release"] == f"agentguard@{version('agentguard')}"
    assert event["environment"] == "staging"
    last = event["exception"]["values"][-1]
    assert (last["type"], last["value"]) == ("FileExistsError", "EEXIST")
    assert file in [frame["filename"] for frame in last["stacktrace"]["frames"]]


def assert_tells_nothing_else(there: Intake, *secrets: str) -> None:
    sent = b"".join(there.bodies)
    for secret in (
        API_KEY,
        BODY_TEXT,
        QUERY,
        COOKIE,
        KEY,
        socket.gethostname(),
        "not a folder",
        *secrets,
    ):
        assert secret.encode() not in sent


def test_what_breaks_in_a_request_in_the_background_and_in_a_job_arrives(tmp_path):
    with (
        intake() as there,
        running(
            broken(tmp_path),
            command=SERVE,
            SENTRY_DSN=there.dsn,
            SENTRY_ENVIRONMENT="staging",
            AGENTGUARD_API_KEY=API_KEY,
            AGENTGUARD_JOB_BYTES="20000",
            AGENTGUARD_JOB_ATTEMPTS="1",
        ) as server,
    ):
        answer = scan(server)
        assert answer.status_code == 500
        assert answer.json()["code"] == "internal"
        request = there.event("request_crashed")
        assert_tells_the_place(request, "agentguard/adapters/files/runs.py")
        assert request["event_id"] in server.log.read_text()

        assert deliver(server).status_code == 200
        assert_tells_the_place(there.event("live_graph_failed"), "agentguard/scan/live.py")

        assert scan(server, spans=1000).status_code == 202
        assert_tells_the_place(there.event("job_attempts_exhausted"), "agentguard/jobs/attempts.py")

        assert server.stop() == 0
        assert_tells_nothing_else(there, str(tmp_path))


def test_a_command_that_meets_an_error_of_its_own_tells_it(tmp_path):
    with intake() as there:
        done = command(
            broken(tmp_path),
            "scan",
            str(written(tmp_path)),
            SENTRY_DSN=there.dsn,
            SENTRY_ENVIRONMENT="staging",
        )

        assert done.returncode == 1
        assert "An internal error occurred (FileExistsError" in done.stderr
        assert_tells_the_place(there.event("command_crashed"), "agentguard/cli/scan.py")
        assert_tells_nothing_else(there, str(tmp_path))


def test_an_error_that_says_what_to_do_is_for_the_user_alone(tmp_path):
    with intake() as there:
        done = command(tmp_path, "graph", SENTRY_DSN=there.dsn)

        assert done.returncode == 1
        assert "No AgentGuard data in" in done.stderr
        assert there.bodies == []


def test_an_intake_that_is_away_hinders_neither_answers_nor_the_shutdown(tmp_path):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = f"http://{KEY}@127.0.0.1:{nobody.getsockname()[1]}/1"
        with running(
            broken(tmp_path), command=SERVE, SENTRY_DSN=away, AGENTGUARD_API_KEY=API_KEY
        ) as server:
            assert scan(server).status_code == 500
            assert scan(server).status_code == 500
            assert server.stop() == 0


def test_a_slow_intake_hinders_neither_answers_nor_the_shutdown(tmp_path):
    with (
        intake(slow=True) as there,
        running(
            broken(tmp_path), command=SERVE, SENTRY_DSN=there.dsn, AGENTGUARD_API_KEY=API_KEY
        ) as server,
    ):
        assert scan(server).status_code == 500
        there.event("request_crashed")
        began = time.monotonic()
        assert server.stop() == 0

        assert not there.released.is_set()
        assert time.monotonic() - began < 45  # it answers after a minute only


@pytest.mark.parametrize("arguments", [("serve",), ("scan", "traces.json")])
def test_without_the_package_a_sentence_says_what_to_install(tmp_path, arguments):
    written(broken(tmp_path))
    hidden = (
        "import sys; sys.modules['sentry_sdk'] = None; from agentguard.cli.main import run; run()"
    )

    done = command(
        tmp_path,
        *arguments,
        program=[sys.executable, "-c", hidden],
        SENTRY_DSN="http://key@127.0.0.1/1",
    )

    assert done.returncode == 1
    assert (
        "SENTRY_DSN is set, but the package 'sentry_sdk' is not installed. Run: pip install"
        " 'agentguard[services]'" in done.stderr
    )
    assert "Traceback" not in done.stderr


def written(directory: Path) -> Path:
    path = directory / "traces.json"
    path.write_text(
        json.dumps(
            [{"traceId": "t", "spans": [{"spanId": "s", "serviceName": f"{BODY_TEXT}-agent"}]}]
        )
    )
    return path


def command(
    directory: Path,
    *arguments: str,
    program=(sys.executable, "-m", "agentguard.cli"),
    **variables: str,
):
    return subprocess.run(
        [*program, *arguments],
        env=inherited()
        | {"AGENTGUARD_DATA_DIR": "data", "API_PORT": "0"}
        | {"AGENTGUARD_OTLP_PORT": "0", "AGENTGUARD_OTLP_GRPC_PORT": "0"}
        | variables,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.anyio
async def test_the_password_of_the_database_is_not_told(tmp_path):
    async with empty_database("postgresql") as server:
        url = urlsplit(server.url)  # the test server trusts everybody, whatever the password
        named = url._replace(
            netloc=f"{url.username}:{DATABASE_PASSWORD}@{url.hostname}:{url.port}"
        ).geturl()
        with (
            intake() as there,
            running(
                broken(tmp_path),
                command=SERVE,
                SENTRY_DSN=there.dsn,
                AGENTGUARD_API_KEY=API_KEY,
                DATABASE_URL=named,
            ) as serving,
        ):
            assert scan(serving).status_code == 500
            there.event("request_crashed")

            assert_tells_nothing_else(there, DATABASE_PASSWORD, str(tmp_path))
