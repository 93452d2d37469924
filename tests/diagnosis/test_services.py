"""The doctor asks each service for real, says what it found, what to do where it is broken, and
never a password.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import amqp
import asyncpg
import pytest
import redis
from typer.testing import CliRunner

from agentguard.adapters.sql.migrating import HEAD
from agentguard.cli.main import app
from scripts.services import postgresql as postgres_service
from scripts.services import redis as redis_service
from scripts.services.process import Server
from tests.databases import blank_database
from tests.diagnosis.doctor import PASSWORD, Doctor, with_password
from tests.sentry.intake import intake
from tests.services import own, server

pytestmark = pytest.mark.xdist_group("diagnosis")

CLOSED = "127.0.0.1:1"


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Server]:
    """A server with a user of each kind; it wants passwords."""
    with (
        tempfile.TemporaryDirectory() as folder,
        own(postgres_service.postgresql, Path(folder)) as started,
    ):
        statements = [
            f"CREATE ROLE stranger LOGIN PASSWORD '{PASSWORD}'",
            (
                "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE"
                " template0"
            ),
            f"ALTER ROLE agentguard PASSWORD '{PASSWORD}'",
        ]
        asyncio.run(execute(started.settings["AGENTGUARD_DATABASE_URL"], *statements))
        folder_of_data = Path(folder) / "data"
        folder_of_data.joinpath("pg_hba.conf").write_text(
            "host all all 127.0.0.1/32 scram-sha-256\n"
        )
        started.stop()
        started.ask = lambda: socket.create_connection(
            address(started)
        ).close()  # its own question knows no password
        started.start()
        yield started


@pytest.fixture(scope="module")
def redis_server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder, own(redis_service.redis, Path(folder)) as started:
        yield started


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


def address(started: Server) -> tuple[str, int]:
    parts = urlsplit(started.settings["AGENTGUARD_DATABASE_URL"])
    return str(parts.hostname), parts.port or 0


def postgres_url(
    started: Server, user: str = "agentguard", database: str = "postgres", password: str = PASSWORD
) -> str:
    host, port = address(started)
    return f"postgresql://{user}:{password}@{host}:{port}/{database}"


class TestPostgreSQL:
    @pytest.mark.anyio
    async def test_before_and_after_its_tables_are_made(self, doctor: Doctor):
        async with blank_database("postgresql") as place:
            before = await asyncio.to_thread(doctor.only, "database", DATABASE_URL=place.url)
            done = await asyncio.to_thread(CliRunner().invoke, app, ["migrate"])
            after = await asyncio.to_thread(doctor.only, "database")
            await execute(place.url, "UPDATE alembic_version SET version_num = '9999'")
            newer = await asyncio.to_thread(doctor.only, "database")

        assert done.exit_code == 0, done.stderr
        assert before[0] == after[0] == "fine"
        assert "PostgreSQL 1" in before[1]
        assert "no tables yet; `agentguard migrate`" in before[1]
        assert f"schema {HEAD}." in after[1]
        assert newer[0] == "broken"
        assert "written by a newer AgentGuard (schema 9999" in newer[1]
        assert "Upgrade AgentGuard." in newer[1]

    def test_a_wrong_password_names_the_user(self, doctor: Doctor, postgresql: Server):
        finding, detail = doctor.only(
            "database", DATABASE_URL=postgres_url(postgresql, password=f"not-{PASSWORD}")
        )

        assert finding == "broken"
        assert (
            "rejected the credentials of 'agentguard'. Correct POSTGRES_USER and POSTGRES_PASSWORD"
            in detail
        )

    def test_a_database_that_is_not_there_is_named(self, doctor: Doctor, postgresql: Server):
        finding, detail = doctor.only(
            "database", DATABASE_URL=postgres_url(postgresql, database="nowhere")
        )

        assert finding == "broken"
        assert "has no database 'nowhere'. Create it (`createdb nowhere`)" in detail

    def test_a_user_who_may_not_create_tables_is_told_what_to_grant(
        self, doctor: Doctor, postgresql: Server
    ):
        finding, detail = doctor.only(
            "database", DATABASE_URL=postgres_url(postgresql, user="stranger")
        )

        assert finding == "broken"
        assert "GRANT CREATE ON SCHEMA" in detail

    def test_several_faults_are_all_told(self, doctor: Doctor, postgresql: Server):
        asyncio.run(
            execute(
                postgres_url(postgresql),
                "ALTER ROLE stranger SET default_transaction_read_only = on",
            )
        )

        checks = doctor.examine(
            DATABASE_URL=postgres_url(postgresql, user="stranger", database="latin")
        )["database"]

        told = " ".join(check["detail"] for check in checks)
        assert {check["finding"] for check in checks} == {"broken"}
        for sentence in (
            "has the encoding LATIN1",
            "is read-only",
            "does not allow this user to create tables",
        ):
            assert sentence in told

    def test_its_parts_lead_there_too(self, doctor: Doctor, postgresql: Server):
        host, port = address(postgresql)

        finding, detail = doctor.only(
            "database",
            POSTGRES_HOST=host,
            POSTGRES_PORT=str(port),
            POSTGRES_DB="postgres",
            POSTGRES_PASSWORD=PASSWORD,
        )

        assert finding == "fine"
        assert "PostgreSQL 1" in detail


class TestNeo4j:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {name: server(name) for name in ("NEO4J_URI", "NEO4J_USER", "NEO4J_PASSWORD")}

    def test_version_and_edition_are_told(self, doctor: Doctor, settings):
        finding, detail = doctor.only("neo4j", **settings)

        assert finding == "fine"
        assert f"{settings['NEO4J_URI']}: Neo4j 5." in detail
        assert settings["NEO4J_PASSWORD"] not in detail

    def test_a_wrong_password_is_told(self, doctor: Doctor, settings):
        finding, detail = doctor.only("neo4j", **settings | {"NEO4J_PASSWORD": PASSWORD})

        assert finding == "broken"
        assert "rejected the credentials. Correct NEO4J_USER and NEO4J_PASSWORD." in detail

    def test_a_database_that_is_not_there_is_named(self, doctor: Doctor, settings):
        finding, detail = doctor.only("neo4j", **settings, NEO4J_DATABASE="nowhere")

        assert finding == "broken"
        assert "has no database 'nowhere'. Correct NEO4J_DATABASE" in detail


class TestRedis:
    def test_version_and_what_happens_when_it_is_full_are_told(self, doctor: Doctor):
        finding, detail = doctor.only("cache", REDIS_URL=server("REDIS_URL"))

        assert finding == "fine"
        assert "Redis 7." in detail
        assert "maxmemory-policy noeviction, no maxmemory" in detail

    def test_a_full_one_that_forgets_nothing_is_a_warning(
        self, doctor: Doctor, redis_server: Server
    ):
        url = redis_server.settings["AGENTGUARD_REDIS_URL"]
        with redis.Redis.from_url(url) as client:
            client.config_set("maxmemory", "100mb")
            full = doctor.only("cache", REDIS_URL=url)
            client.config_set("maxmemory-policy", "allkeys-lru")
            forgetful = doctor.only("cache")
            client.config_set("maxmemory", "0")

        assert full[0] == "warning"
        assert (
            "rejects writes once it holds 100 MiB. Set its maxmemory-policy to allkeys-lru."
            in full[1]
        )
        assert forgetful[0] == "fine"

    def test_a_copy_takes_no_writes(self, doctor: Doctor, redis_server: Server):
        url = redis_server.settings["AGENTGUARD_REDIS_URL"]
        with redis.Redis.from_url(url) as client:
            client.replicaof("127.0.0.1", "1")
            finding, detail = doctor.only("cache", REDIS_URL=url)
            client.replicaof("NO", "ONE")

        assert finding == "broken"
        assert "is a read-only replica. Set REDIS_URL to the primary server." in detail

    def test_a_wrong_password_and_none_are_told(self, doctor: Doctor, redis_server: Server):
        url = redis_server.settings["AGENTGUARD_REDIS_URL"]
        with redis.Redis.from_url(url) as client:
            client.config_set("requirepass", "right")
            wrong, none = (
                doctor.only("cache", REDIS_URL=with_password(url)),
                doctor.only("cache", REDIS_URL=url),
            )
            client.execute_command("AUTH", "right")
            client.config_set("requirepass", "")

        assert wrong[0] == none[0] == "broken"
        assert (
            "rejected the password or requires one. Correct REDIS_PASSWORD, or the password in"
            " REDIS_URL." in wrong[1]
        )
        assert "or requires one" in none[1]

    def test_a_database_number_that_it_does_not_have_is_told(self, doctor: Doctor):
        finding, detail = doctor.only(
            "cache", REDIS_URL=server("REDIS_URL").rpartition("/")[0] + "/9999"
        )

        assert finding == "broken"
        assert "rejected the database in REDIS_URL or REDIS_DB" in detail


class TestBroker:
    @pytest.fixture
    def url(self) -> str:
        return server("CELERY_BROKER_URL")

    def test_a_queue_shows_whether_anybody_listens(self, doctor: Doctor, url: str, tmp_path: Path):
        queue = f"doctor-{tmp_path.name}"
        missing = doctor.only("broker", CELERY_BROKER_URL=url, AGENTGUARD_JOBS_QUEUE=queue)
        with amqp.Connection(url.rpartition("@")[2].rstrip("/")) as connection:
            channel = connection.channel()
            channel.queue_declare(queue, auto_delete=False)
            channel.basic_publish(amqp.Message("{}"), routing_key=queue)
            alone = doctor.only("broker")
            listener = channel.basic_consume(queue, callback=lambda _: None)
            heard = doctor.only("broker")
            channel.basic_cancel(listener)
            channel.queue_delete(queue)

        assert missing[0] == alone[0] == "warning"
        assert "RabbitMQ 3." in missing[1]
        assert f"the queue {queue!r} does not exist yet. Start a worker" in missing[1]
        assert f"messages in the queue {queue!r}: 1; it has no workers. Start a worker." in alone[1]
        assert heard[0] == "fine"
        assert "workers: 1." in heard[1]

    def test_a_wrong_password_is_told(self, doctor: Doctor, url: str):
        finding, detail = doctor.only("broker", CELERY_BROKER_URL=with_password(url))

        assert finding == "broken"
        assert (
            "rejected the credentials or denied access. Correct user and password in"
            " CELERY_BROKER_URL" in detail
        )

    def test_a_virtual_host_that_is_not_there_is_told(self, doctor: Doctor, url: str):
        finding, detail = doctor.only(
            "broker", CELERY_BROKER_URL=url.removesuffix("//") + "/nowhere"
        )

        assert finding == "broken"
        assert "has no such virtual host" in detail

    def test_redis_may_be_one(self, doctor: Doctor, redis_server: Server):
        url = redis_server.settings["AGENTGUARD_REDIS_URL"]
        with redis.Redis.from_url(url) as client:
            there = doctor.only("broker", CELERY_BROKER_URL=url)
            client.config_set("requirepass", "right")
            wrong = doctor.only("broker", CELERY_BROKER_URL=with_password(url))
            client.execute_command("AUTH", "right")
            client.config_set("requirepass", "")

        assert there == (
            "warning",
            (
                f"{url.removesuffix('/0')}: Redis; the queue 'agentguard' does not exist yet. Start"
                " a worker, which creates it."
            ),
        )
        assert wrong[0] == "broken"
        assert (
            "rejected the password or requires one. Correct the password in CELERY_BROKER_URL."
            in wrong[1]
        )


class TestSentry:
    def test_nothing_is_sent_unless_it_is_asked_for(self, doctor: Doctor):
        with intake() as there:
            finding, detail = doctor.only("Sentry", SENTRY_DSN=there.dsn)
            assert there.bodies == []

        assert finding == "fine"
        assert f"127.0.0.1:{there.port}, project 42, environment 'production'" in detail

    def test_an_event_that_arrives_is_named(self, doctor: Doctor):
        with intake() as there:
            finding, detail = doctor.only(
                "Sentry", "--send-test-event", SENTRY_DSN=there.dsn, SENTRY_ENVIRONMENT="staging"
            )
            (event,) = there.wait()

        assert finding == "fine"
        assert event["event_id"] in detail
        assert (event["environment"], event["exception"]["values"][0]["type"]) == (
            "staging",
            "TestEventError",
        )

    @pytest.mark.parametrize(
        ("status", "sentence"),
        [
            (403, "rejected the event (status 403). Correct SENTRY_DSN"),
            (429, "is rate limiting events"),
        ],
    )
    def test_an_event_that_is_refused_is_a_fault(self, doctor: Doctor, status: int, sentence: str):
        with intake(answer=status) as there:
            finding, detail = doctor.only("Sentry", "--send-test-event", SENTRY_DSN=there.dsn)

        assert finding == "broken"
        assert sentence in detail

    def test_an_intake_that_is_away_is_a_fault(self, doctor: Doctor):
        finding, detail = doctor.only(
            "Sentry", "--send-test-event", SENTRY_DSN=f"http://key@{CLOSED}/1"
        )

        assert finding == "broken"
        assert "is unreachable or did not respond. Correct SENTRY_DSN" in detail


WHAT_TO_DO = {
    "database": "Start it, or set POSTGRES_HOST and POSTGRES_PORT, or DATABASE_URL",
    "neo4j": "Start it, or correct NEO4J_URI",
    "cache": "Start it, or correct REDIS_URL (or REDIS_HOST and REDIS_PORT)",
    "broker": "Start it, or correct CELERY_BROKER_URL",
}
"""By check."""


def all_at(place: str) -> dict[str, str]:
    """Return settings by which every service is expected at this place."""
    return {
        "DATABASE_URL": f"postgresql://a:{PASSWORD}@{place}/x",
        "NEO4J_URI": f"bolt://{place}",
        "NEO4J_PASSWORD": PASSWORD,
        "REDIS_URL": f"redis://:{PASSWORD}@{place}/0",
        "CELERY_BROKER_URL": f"amqp://a:{PASSWORD}@{place}//",
    }


def assert_all_are_broken(found) -> None:
    for name, what_to_do in WHAT_TO_DO.items():
        (check,) = found[name]
        assert check["finding"] == "broken"
        assert "://" in check["detail"]
        assert what_to_do in check["detail"]


def test_what_is_away_is_named_with_what_to_do(doctor: Doctor):
    found = doctor.examine(**all_at(CLOSED))

    assert_all_are_broken(found)
    assert found["disk"][0]["finding"] == "fine"


def test_what_never_answers_is_given_up(doctor: Doctor):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        found = doctor.examine(**all_at(f"127.0.0.1:{silent.getsockname()[1]}"))

    assert_all_are_broken(found)


def test_what_speaks_another_protocol_is_a_finding_too(doctor: Doctor):
    strangers = {
        "DATABASE_URL": f"postgresql://a:{PASSWORD}@{place('REDIS_URL')}/x",
        "NEO4J_URI": f"bolt://{place('REDIS_URL')}",
        "REDIS_URL": f"redis://:{PASSWORD}@{place('CELERY_BROKER_URL')}/0",
        "CELERY_BROKER_URL": f"amqp://a:{PASSWORD}@{place('DATABASE_URL')}//",
    }

    found = doctor.examine(**strangers)

    assert [found[name][0]["finding"] for name in WHAT_TO_DO] == ["broken"] * 4


def place(setting: str) -> str:
    """Return host and port of a test server."""
    parts = urlsplit(server(setting))
    return f"{parts.hostname}:{parts.port}"


@pytest.mark.parametrize(
    ("check", "module", "setting"),
    [
        ("neo4j", "neo4j", "NEO4J_URI"),
        ("cache", "redis", "REDIS_URL"),
        ("broker", "celery", "CELERY_BROKER_URL"),
        ("Sentry", "sentry", "SENTRY_DSN"),
    ],
)
def test_without_its_package_a_sentence_says_what_to_install(
    doctor: Doctor, monkeypatch, check, module, setting
):
    monkeypatch.setitem(sys.modules, f"agentguard.adapters.{module}.inspection", None)
    values = all_at(CLOSED) | {"SENTRY_DSN": f"http://key@{CLOSED}/1"}

    finding, detail = doctor.only(check, **{setting: values[setting]})

    assert finding == "broken"
    assert detail.startswith(f"{setting} is set, but the package")
    assert "pip install 'agentguard[services]'" in detail


def test_nothing_is_asked_where_nothing_is_set(doctor: Doctor):
    found = doctor.examine()

    assert {found[name][0]["finding"] for name in (*WHAT_TO_DO, "Sentry", "combination")} == {
        "fine"
    }
    assert "NEO4J_URI is not set" in found["neo4j"][0]["detail"]
