"""All servers together: started side by side, recorded in a file, stopped by their pids."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
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
    """One sort of server."""

    make: Callable[[Path], Server]
    named_by: str
    """The setting that says where it is: who sets that needs none of ours."""


KINDS: Mapping[str, Kind] = {
    "postgresql": Kind(postgresql, "AGENTGUARD_DATABASE_URL"),
    "redis": Kind(redis, "AGENTGUARD_REDIS_URL"),
    "rabbitmq": Kind(rabbitmq, "CELERY_BROKER_URL"),
    "neo4j": Kind(neo4j, "NEO4J_URI"),
    "anvil": Kind(anvil, "WEB3_PROVIDER_URL"),
}


@dataclass(frozen=True)
class Process:
    """What must be known to stop a process later."""

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
        return Server(self.name, Path(), (), {}, lambda: None, stop_signal=number, pid=self.pid, began=self.began)


@dataclass(frozen=True)
class Fleet:
    """What is running, and what could not be had, with the reason."""

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


def start(names: Sequence[str], *, stays: bool = False) -> Fleet:
    """Start the servers side by side, each in a folder of its own; one that cannot be had is named in `missing`.

    Where that is broken off (Ctrl-C), none is left.
    """
    folder = Path(tempfile.mkdtemp(prefix="agentguard-services-"))
    folder.chmod(0o755)  # PostgreSQL's user must be able to enter
    made: dict[str, Server] = {}
    missing: dict[str, str] = {}
    seconds: dict[str, float] = {}

    def start_one(name: str) -> None:
        try:
            (folder / name).mkdir()
            made[name] = KINDS[name].make(folder / name)
            began = time.monotonic()
            made[name].start()
            seconds[name] = round(time.monotonic() - began, 1)
        except (ServiceError, OSError, subprocess.SubprocessError) as error:
            missing[name] = str(error)
            if name in made:
                made[name].stop()

    try:
        with ThreadPoolExecutor(len(names) or 1) as pool, _stopped_if_broken_off(made):
            list(pool.map(start_one, names))
    except BaseException:
        _stop(list(made.values()))  # once more: one may have been about to start
        shutil.rmtree(folder, ignore_errors=True)
        raise
    fleet = Fleet(
        str(folder),
        tuple(_process(each) for name in seconds for each in (made[name], *made[name].beside)),
        {name: made[name].settings for name in seconds},
        missing,
        seconds,
        None if stays else Process("owner", os.getpid(), started_at(os.getpid())),
    )
    RECORDS.mkdir(parents=True, exist_ok=True)
    fleet.record.write_text(json.dumps(asdict(fleet), indent=2))
    return fleet


def stop(fleet: Fleet) -> None:
    """Stop what is still running, and delete its data."""
    _stop(fleet.processes)
    shutil.rmtree(fleet.folder, ignore_errors=True)
    fleet.record.unlink(missing_ok=True)


def staying() -> Fleet | None:
    """Return the fleet that `make services` started, if any of it still runs; stop what others left behind."""
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


@contextmanager
def _stopped_if_broken_off(made: Mapping[str, Server]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        _stop(list(made.values()))
        raise


def _stop(running: Collection[Server | Process]) -> None:
    with ThreadPoolExecutor(len(running) or 1) as pool:
        list(pool.map(lambda each: each.stop(), running))
