"""The settings of docker-compose.yml and Kubernetes, pointed at test servers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from scripts.services.process import Server, ServiceError
from tests.deploy.container import PREFIX, Container
from tests.deploy.keys import make_keys
from tests.deploy.servers import neo4j, rabbitmq, redis
from tests.services import server

_KINDS = {"redis": redis, "rabbitmq": rabbitmq, "neo4j": neo4j}


@dataclass(frozen=True)
class Stack:
    """The servers, with a database of its own on the tests' PostgreSQL, and a container that has
    their keys.
    """

    container: Container
    servers: Mapping[str, Server]
    postgresql: str
    """URL of the database."""

    @property
    def database(self) -> str:
        return urlsplit(self.postgresql).path.strip("/")

    def port(self, name: str) -> int:
        return (
            urlsplit(self.postgresql).port or 5432
            if name == "postgresql"
            else int(self.servers[name].settings["port"])
        )

    def settings(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the settings of a file, with the addresses of the test servers."""
        url = urlsplit(self.postgresql)
        here = {
            "POSTGRES_HOST": url.hostname or "",
            "POSTGRES_PORT": str(self.port("postgresql")),
            "POSTGRES_DB": self.database,
            "POSTGRES_USER": url.username or "",
            "NEO4J_URI": (
                environment["NEO4J_URI"].replace("neo4j:7687", f"127.0.0.1:{self.port('neo4j')}")
            ),
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(self.port("redis")),
        }
        return {**environment, **here}


@contextlib.contextmanager
def stack(container: Container) -> Iterator[Stack]:
    """Start Redis, RabbitMQ and Neo4j side by side.

    Without them the tests are skipped, but fail in CI.
    """
    url = server("DATABASE_URL")
    make_keys(container)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    servers: dict[str, Server] = {}
    try:
        servers.update(_made(folder, container))
        with ThreadPoolExecutor() as pool, database(url) as own:
            list(pool.map(Server.start, servers.values()))
            _point_at(servers["rabbitmq"], container.root / "keys" / "rabbitmq" / "url")
            yield Stack(container, servers, own)
    finally:
        with ThreadPoolExecutor() as pool:
            list(pool.map(Server.stop, servers.values()))
        shutil.rmtree(folder)


def _made(folder: Path, container: Container) -> dict[str, Server]:
    try:
        for name in _KINDS:
            (folder / name).mkdir()
        return {name: make(folder / name, container) for name, make in _KINDS.items()}
    except ServiceError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


def _point_at(broker: Server, file: Path) -> None:
    file.write_text(
        file.read_text().replace("rabbitmq:5672", f"127.0.0.1:{broker.settings['port']}")
    )


@contextlib.contextmanager
def database(url: str) -> Iterator[str]:
    """Give the URL of a new database on this server; it goes afterwards."""
    name = f"deploy_{secrets.token_hex(6)}"
    asyncio.run(_execute(url, f"CREATE DATABASE {name}"))
    try:
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
    finally:
        asyncio.run(_execute(url, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
