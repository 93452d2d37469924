"""A set of servers: started in parallel, recorded in a file, stopped by pid."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock

from scripts.services.anvil import anvil
from scripts.services.neo4j import neo4j
from scripts.services.postgresql import postgresql
from scripts.services.process import Server, ServiceError, started_at
from scripts.services.rabbitmq import rabbitmq
from scripts.services.redis import redis

RECORDS = Path(__file__).parents[2] / ".cache" / "services"


@dataclass(frozen=True)
class Kind:
    """A kind of server."""

    make: Callable[[Path], Server]
    named_by: str
    """The setting with its address; if it is set, no server is started."""


KINDS: Mapping[str, Kind] = {
    "postgresql": Kind(postgresql, "AGENTGUARD_DATABASE_URL"),
    "redis": Kind(redis, "AGENTGUARD_REDIS_URL"),
    "rabbitmq": Kind(rabbitmq, "CELERY_BROKER_URL"),
    "neo4j": Kind(neo4j, "NEO4J_URI"),
    "anvil": Kind(anvil, "WEB3_PROVIDER_URL"),
}


@dataclass(frozen=True)
class Process:
    """Identifies a process, so that it can be stopped later."""

    name: str
    pid: int
    began: str
    stop_signal: int = signal.SIGTERM

    @property
    def alive(self) -> bool:
        return self._server().alive()

    def stop(self) -> None:
        self._server().stop()

    def _server(self) -> Server:
        number = signal.Signals(self.stop_signal)
        return Server(
            self.name,
            Path(),
            (),
            {},
            lambda: None,
            stop_signal=number,
            pid=self.pid,
            began=self.began,
        )


@dataclass(frozen=True)
class Fleet:
    """The running servers, and the missing ones with the reason."""

    folder: str
    processes: tuple[Process, ...]
    settings: Mapping[str, Mapping[str, str]]
    """By server."""
    missing: Mapping[str, str]
    seconds: Mapping[str, float]
    """From nothing to the first answered query, fetching left out."""
    owner: Process | None = None
    """Who needs it, and leaves it behind only when killed; None: it stays until it is stopped."""

    @property
    def record(self) -> Path:
        return RECORDS / f"{Path(self.folder).name}.json"


@dataclass
class Start:
    """Servers that are being started, each in a folder of its own."""

    folder: Path
    made: dict[str, Server] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    ending: threading.Event = field(default_factory=threading.Event)
    """Set once starting is broken off: who starts a server then stops it."""

    def one(self, name: str) -> None:
        try:
            (self.folder / name).mkdir()
            server = self.made[name] = KINDS[name].make(self.folder / name)
            began = time.monotonic()
            server.start(self.ending)
            self.seconds[name] = round(time.monotonic() - began, 1)
        except (ServiceError, OSError, subprocess.SubprocessError) as error:
            self.missing[name] = str(error)
            if name in self.made:
                self.made[name].stop()

    def side_by_side(self, names: Collection[str]) -> None:
        with ThreadPoolExecutor(len(names) or 1) as pool:
            try:
                list(pool.map(self.one, names))
            except BaseException:
                self.stop()  # so that who waits for an answer sees that none will come
                raise

    def stop(self) -> None:
        self.ending.set()
        _stop(list(self.made.values()))


def start(names: Collection[str], *, stays: bool = False) -> Fleet:
    """Start the servers side by side; one that cannot be had is named in `missing`.

    Where that is broken off (Ctrl-C), none is left.
    """
    folder = Path(tempfile.mkdtemp(prefix="agentguard-services-"))
    folder.chmod(0o755)  # PostgreSQL's user must be able to enter
    starting = Start(folder)
    try:
        starting.side_by_side(names)
    except BaseException:
        starting.stop()  # once more: one may have been about to start
        shutil.rmtree(folder, ignore_errors=True)
        raise
    running = [starting.made[name] for name in starting.seconds]
    fleet = Fleet(
        str(folder),
        tuple(_process(each) for server in running for each in (server, *server.beside)),
        {server.name: server.settings for server in running},
        starting.missing,
        starting.seconds,
        None if stays else Process("owner", os.getpid(), started_at(os.getpid())),
    )
    RECORDS.mkdir(parents=True, exist_ok=True)
    fleet.record.write_text(json.dumps(asdict(fleet), indent=2))
    return fleet


def stop(fleet: Fleet) -> None:
    """Stop the remaining processes and delete their data."""
    _stop(fleet.processes)
    shutil.rmtree(fleet.folder, ignore_errors=True)
    fleet.record.unlink(missing_ok=True)


def staying() -> Fleet | None:
    """Return the fleet that `make services` started, if any of it still runs.

    Stop what others left behind.
    """
    found = None
    for fleet in _recorded():
        alive = any(process.alive for process in fleet.processes)
        if fleet.owner is None and alive:
            found = fleet
        elif fleet.owner is None or not fleet.owner.alive:
            stop(fleet)
    return found


def one_at_a_time() -> FileLock:
    """Return the lock of who looks for a fleet that stays, to start one if there is none."""
    RECORDS.mkdir(parents=True, exist_ok=True)
    return FileLock(RECORDS / "lock")


def read(record: Path) -> Fleet:
    known = json.loads(record.read_text())
    processes = tuple(Process(**each) for each in known.pop("processes"))
    owner = known.pop("owner")
    return Fleet(**known, processes=processes, owner=None if owner is None else Process(**owner))


def _recorded() -> Iterator[Fleet]:
    for record in sorted(RECORDS.glob("*.json")):
        try:
            yield read(record)
        except FileNotFoundError:  # its owner was quicker
            continue


def _process(server: Server) -> Process:
    return Process(server.name, server.pid, server.began, server.stop_signal)


def _stop(running: Collection[Server | Process]) -> None:
    with ThreadPoolExecutor(len(running) or 1) as pool:
        list(pool.map(lambda each: each.stop(), running))
