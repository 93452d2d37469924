"""The servers of docker-compose.yml, started without Docker.

With its commands, its configuration and the keys that it makes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import amqp
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from scripts.services import neo4j as neo4j_service
from scripts.services.packages import debian_root, library_path
from scripts.services.process import Server, free_port
from scripts.services.rabbitmq import rabbitmq as rabbitmq_server
from tests.deploy import compose
from tests.deploy.container import Container
from tests.deploy.keys import key

SERVICES: dict[str, dict[str, Any]] = compose.read()["services"]


def redis(folder: Path, container: Container) -> Server:
    """Redis with the file's command, on a free port."""
    root, port = debian_root(), free_port()
    program, *words = (container.place(word) for word in SERVICES["redis"]["command"])
    return Server(
        "redis",
        folder,
        [str(root / "usr/bin" / program), *words, "--port", str(port), "--bind", "127.0.0.1"],
        {"port": str(port)},
        lambda: redis_answers(port, key(container, "redis")),
        {"LD_LIBRARY_PATH": library_path(root)},
    )


def redis_answers(port: int, password: str) -> None:
    redis_version(port, password)


def redis_version(port: int, password: str) -> str:
    with Redis(
        port=port, password=password, socket_timeout=5, retry=Retry(NoBackoff(), 0)
    ) as asked:
        return str(asked.info("server")["redis_version"])


def rabbitmq(folder: Path, container: Container) -> Server:
    """RabbitMQ with the file's configuration.

    Its port stands in conf.d, where the image has what it sets itself.
    """
    made = rabbitmq_server(folder)
    beside = folder / "conf.d"
    beside.mkdir()
    (folder / "rabbitmq.conf").rename(beside / "10-defaults.conf")
    own = {
        name: container.place(value) for name, value in SERVICES["rabbitmq"]["environment"].items()
    }
    port = urlsplit(made.settings["CELERY_BROKER_URL"]).port or 0
    return replace(
        made,
        environment={**made.environment, **own, "RABBITMQ_CONFIG_FILES": str(beside)},
        settings={"port": str(port)},
        ask=lambda: rabbitmq_answers(port, "agentguard", key(container, "rabbitmq")),
    )


def rabbitmq_answers(port: int, user: str, password: str) -> None:
    with amqp.Connection(
        f"127.0.0.1:{port}", userid=user, password=password, connect_timeout=5, read_timeout=5
    ) as connection:
        connection.channel().queue_declare(exclusive=True)


def neo4j(folder: Path, container: Container) -> Server:
    """Neo4j as the tests start it; its key becomes the container's."""
    made = neo4j_service.neo4j(folder)
    (container.root / "keys" / "neo4j" / "key").write_text(neo4j_service.PASSWORD)
    return replace(made, settings={"port": str(urlsplit(made.settings["NEO4J_URI"]).port)})
