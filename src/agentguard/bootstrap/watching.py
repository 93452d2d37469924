"""Picks where a monitor reads a log and what it remembers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from agentguard.adapters.files.published_log import LogFolder
from agentguard.adapters.files.watch_state import opened_state
from agentguard.adapters.http.log_source import URLSource
from agentguard.audit.keys import VerifierKey
from agentguard.audit.monitor import LogSource
from agentguard.audit.static_files import LogTarget
from agentguard.audit.watching import Watcher
from agentguard.environment import MONITOR_API_KEY, environment

_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


@contextmanager
def opened_watcher(
    source: str,
    state: Path | None,
    keys: tuple[VerifierKey, ...],
    handovers: tuple[bytes, ...],
    api_key: bytes | None,
) -> Iterator[tuple[Watcher, Path]]:
    """Yield what watches the log at a URL or in a folder, and the file with what it remembers.

    Without `api_key`, that of the environment is sent.

    Raises BadLogURLError, StateInUseError, FolderNotWritableError.
    """
    reader = _source(source, api_key)
    path = state or _default_state(source)
    with opened_state(path) as memory:
        yield Watcher(reader, memory, keys, handovers), path


def log_folder(folder: Path) -> LogTarget:
    """Return a folder that a log is published to."""
    return LogFolder(folder)


def _source(source: str, given: bytes | None) -> LogSource:
    if not re.match("[a-z]+://", source, re.IGNORECASE):
        return LogFolder(Path(source))
    text = environment().get(MONITOR_API_KEY) if given is None else given.decode("utf-8", "replace")
    return URLSource(source, text and text.strip())


def _default_state(source: str) -> Path:
    """Return the file for one log (XDG Base Directory Specification)."""
    place = source if "://" in source else str(Path(source).resolve())
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    name = f"{_UNSAFE.sub('-', place)[-60:].strip('-')}-{sha256(place.encode()).hexdigest()[:8]}"
    return home / "agentguard" / "monitor" / f"{name}.json"
