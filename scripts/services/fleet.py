"""All servers together: started side by side, remembered in a file, stopped by their pids."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from scripts.services.anvil import anvil
from scripts.services.neo4j import neo4j
from scripts.services.postgresql import postgresql
from scripts.services.process import Server, ServiceError
from scripts.services.rabbitmq import rabbitmq
from scripts.services.redis import redis

STATE = Path(__file__).parents[2] / ".cache" / "services.json"
KINDS: Mapping[str, Callable[[Path], Server]] = {
    "postgresql": postgresql,
    "redis": redis,
    "rabbitmq": rabbitmq,
    "neo4j": neo4j,
    "anvil": anvil,
}


@dataclass(frozen=True)
class Process:
    """What must be known to stop a process later."""

    name: str
    pid: int
    began: str


@dataclass(frozen=True)
class Fleet:
    """What is running, and what could not be had, with the reason."""

    folder: str
    processes: tuple[Process, ...]
    settings: Mapping[str, str]
    missing: Mapping[str, str]
    seconds: Mapping[str, float]
    """From nothing to the first answered query, fetching left out."""


def start(names: tuple[str, ...] = tuple(KINDS)) -> Fleet:
    """Start the servers side by side, each in a folder of its own; one that cannot be had is named in `missing`."""
    folder = Path(tempfile.mkdtemp(prefix="agentguard-services-"))
    folder.chmod(0o755)  # PostgreSQL's user must be able to enter
    with ThreadPoolExecutor(len(names)) as pool:
        started = dict(zip(names, pool.map(lambda name: _start(name, folder / name), names), strict=True))
    servers = {name: one for name, one in started.items() if not isinstance(one, str)}
    return Fleet(
        str(folder),
        tuple(Process(each.name, each.pid, each.began) for server, _ in servers.values() for each in (server, *server.beside)),
        {name: value for server, _ in servers.values() for name, value in server.settings.items()},
        {name: one for name, one in started.items() if isinstance(one, str)},
        {name: seconds for name, (_, seconds) in servers.items()},
    )


def _start(name: str, folder: Path) -> tuple[Server, float] | str:
    try:
        folder.mkdir()
        server = KINDS[name](folder)
        began = time.monotonic()
        server.start()
        return server, round(time.monotonic() - began, 1)
    except ServiceError as error:
        return str(error)


def stop(fleet: Fleet) -> None:
    """Stop what is still running, side by side, and delete its data."""
    folder = Path(fleet.folder)
    stopping = [
        Server(each.name, folder, (), {}, lambda: None, pid=each.pid, began=each.began)
        for each in sorted(fleet.processes, key=lambda process: process.name == "epmd")
    ]
    with ThreadPoolExecutor(len(stopping) or 1) as pool:
        list(pool.map(lambda server: server.stop(), stopping))
    shutil.rmtree(folder, ignore_errors=True)


def remember(fleet: Fleet) -> None:
    STATE.parent.mkdir(exist_ok=True)
    STATE.write_text(json.dumps(asdict(fleet), indent=2))


def remembered() -> Fleet | None:
    """Return the fleet that `make services` started, if any of it still runs."""
    if not STATE.exists():
        return None
    known = json.loads(STATE.read_text())
    fleet = Fleet(**known)
    fleet = replace(fleet, processes=tuple(Process(**each) for each in known["processes"]))
    alive = [Server(p.name, Path(fleet.folder), (), {}, lambda: None, pid=p.pid, began=p.began).alive() for p in fleet.processes]
    return fleet if any(alive) else None


def forget() -> None:
    STATE.unlink(missing_ok=True)
