"""Neo4j, started from its published jars."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import neo4j as client

from scripts.services.packages import java, neo4j_jars
from scripts.services.process import Server, ServiceError, free_port

PASSWORD = "agentguard-tests"
_MAIN = "org.neo4j.server.CommunityEntryPoint"
_ADMIN = "org.neo4j.server.startup.Neo4jAdminCommand"
_CONFIGURATION = """\
server.default_listen_address=127.0.0.1
server.bolt.listen_address=127.0.0.1:{port}
server.http.enabled=false
server.https.enabled=false
dbms.security.auth_enabled=true
dbms.usage_report.enabled=false
server.memory.pagecache.size=64m
internal.server.bolt.thread_pool_shutdown_wait_time=0s
"""


def neo4j(folder: Path) -> Server:
    jars, program, port = neo4j_jars(), java(), free_port()
    configuration = folder / "conf"
    configuration.mkdir(exist_ok=True)
    configuration.joinpath("neo4j.conf").write_text(_CONFIGURATION.format(port=port))
    environment = {"NEO4J_HOME": str(folder), "NEO4J_CONF": str(configuration)}
    _set_password(program, jars, folder, environment)
    uri = f"bolt://127.0.0.1:{port}"
    places = [f"--home-dir={folder}", f"--config-dir={configuration}"]
    return Server(
        "neo4j",
        folder,
        [program, "-Xms128m", "-Xmx1g", "-XX:+UseSerialGC", "-cp", f"{jars}/*", _MAIN, *places],
        {"NEO4J_URI": uri, "NEO4J_USER": "neo4j", "NEO4J_PASSWORD": PASSWORD},
        lambda: _ask(uri),
        environment,
    )


def _set_password(program: str, jars: Path, folder: Path, environment: dict[str, str]) -> None:
    if folder.joinpath("data").exists():
        return
    command = [
        program,
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-cp",
        f"{jars}/*",
        _ADMIN,
        "dbms",
        "set-initial-password",
        PASSWORD,
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ServiceError(
            f"Neo4j's password could not be set: {done.stderr.strip() or done.stdout.strip()}"
        )


def _ask(uri: str) -> None:
    with (
        client.GraphDatabase.driver(uri, auth=("neo4j", PASSWORD), connection_timeout=5) as driver,
        driver.session(database="neo4j") as session,
    ):
        session.run("RETURN 1").consume()
