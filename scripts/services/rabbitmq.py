"""RabbitMQ, from Debian's package, with its own Erlang port mapper.

It never meets another node of the machine.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import amqp

from scripts.services.packages import debian_root, library_path, the_one
from scripts.services.process import Server, free_port

_CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
log.console = true
log.console.level = warning
log.file = false
"""


def rabbitmq(folder: Path) -> Server:
    root, port, mapper_port = debian_root(), free_port(), free_port()
    erlang = root / "usr/lib/erlang"
    home = the_one(root, "usr/lib/rabbitmq/lib/rabbitmq_server-*")
    folder.joinpath("rabbitmq.conf").write_text(_CONFIGURATION.format(port=port))
    folder.joinpath("enabled_plugins").write_text("[].\n")
    environment = _environment(folder, root, home, port, mapper_port)
    mapper = Server(
        "epmd",
        folder,
        [
            str(the_one(erlang, "erts-*/bin/epmd")),
            "-address",
            "127.0.0.1",
            "-port",
            str(mapper_port),
        ],
        {},
        lambda: socket.create_connection(("127.0.0.1", mapper_port), timeout=5).close(),
        environment,
    )
    url = f"amqp://guest:guest@127.0.0.1:{port}//"
    return Server(
        "rabbitmq",
        folder,
        [str(home / "sbin/rabbitmq-server")],
        {"CELERY_BROKER_URL": url},
        lambda: _ask(port),
        environment,
        beside=(mapper,),
    )


def _environment(
    folder: Path, root: Path, home: Path, port: int, mapper_port: int
) -> dict[str, str]:
    return {
        "LD_LIBRARY_PATH": library_path(root),
        "PATH": f"{root / 'usr/lib/erlang/bin'}:{os.environ['PATH']}",
        "HOME": str(folder),  # Erlang keeps its cookie there
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(mapper_port),
        "RABBITMQ_HOME": str(home),
        "RABBITMQ_NODENAME": f"agentguard-{port}@localhost",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RUNNING_UNDER_SYSTEMD": "true",  # then the script ends in exec, and its pid is the node's
        "RABBITMQ_SERVER_START_ARGS": "-start_epmd false",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
    }


def _ask(port: int) -> None:
    with amqp.Connection(f"127.0.0.1:{port}", connect_timeout=5, read_timeout=5) as connection:
        channel = connection.channel()
        name = channel.queue_declare(exclusive=True).queue
        channel.basic_publish(amqp.Message("ready?"), routing_key=name)
