"""Checks of everything that AgentGuard stands on: settings, folders, database, span files, ports, catalogue."""

from __future__ import annotations

import http.client
import json
import os
import platform
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from agentguard.adapters.files.inspection import SpanFiles, inspect_span_files
from agentguard.adapters.sql.migrating import HEAD
from agentguard.adapters.sql.sqlite import inspect_database
from agentguard.catalog.loading import load_catalogs
from agentguard.discovery.dialects.loading import load_dialects
from agentguard.environment import environment
from agentguard.graph.evidence_links import trace_links
from agentguard.kernel.errors import AgentGuardError
from agentguard.settings import MIB, Settings, unknown_settings, unused_settings

_LOW_DISK, _NO_DISK = 1024 * MIB, 100 * MIB
_TIMEOUT_SECONDS = 2


class Finding(StrEnum):
    """How something is."""

    FINE = "fine"
    WARNING = "warning"
    """It works, but not as somebody may believe."""
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found."""

    name: str
    finding: Finding
    detail: str


def diagnose(settings: Settings) -> tuple[Check, ...]:
    """Run every check; changes nothing, and asks nobody but this machine."""
    return tuple(check for group in _groups(settings) for check in _carefully(group))


def diagnosis_document(checks: tuple[Check, ...]) -> dict[str, Any]:
    """Return the document of `agentguard doctor --format json`."""
    worst = next((f for f in (Finding.BROKEN, Finding.WARNING) if any(c.finding is f for c in checks)), Finding.FINE)
    return {"finding": worst.value, "checks": [asdict(check) | {"finding": check.finding.value} for check in checks]}


_Group = tuple[str, Callable[[], Iterator[Check]]]


def _groups(settings: Settings) -> list[_Group]:
    return [
        ("versions", _versions),
        ("settings", lambda: _settings(environment())),
        ("data directory", lambda: _data_directory(settings.data_dir)),
        ("disk", lambda: _disk(settings.data_dir)),
        ("database", lambda: _database(settings.data_dir)),
        ("spans", lambda: _spans(settings.data_dir)),
        ("API port", lambda: _api_port(settings)),
        ("OTLP port", lambda: _otlp_port(settings)),
        ("catalogue", lambda: _catalogue(settings.catalog)),
        ("trace links", lambda: _trace_links(settings.trace_url)),
        ("dialects", _dialects),
    ]


def _carefully(group: _Group) -> Iterator[Check]:
    """A check that cannot be done is a finding too."""
    name, check = group
    try:
        yield from check()
    except (OSError, AgentGuardError) as error:
        yield Check(name, Finding.BROKEN, str(error))


def _versions() -> Iterator[Check]:
    yield Check("versions", Finding.FINE, f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.system()}.")


def _settings(variables: Mapping[str, str]) -> Iterator[Check]:
    for name in unused_settings(variables):
        yield Check("settings", Finding.WARNING, f"{name} is set, but this version has no such part: it changes nothing.")
    for name in unknown_settings(variables):
        yield Check("settings", Finding.WARNING, f"{name} is set, but there is no such setting. A slip of the pen?")
    yield Check("settings", Finding.FINE, "They can be read and agree with each other.")


def _data_directory(folder: Path) -> Iterator[Check]:
    if not folder.exists():
        above = next(parent for parent in folder.absolute().parents if parent.exists())
        finding = Finding.FINE if os.access(above, os.W_OK) else Finding.BROKEN
        yield Check(
            "data directory",
            finding,
            f"{folder} does not exist yet; {'it can be made' if finding is Finding.FINE else f'{above} is not writable'}.",
        )
        return
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(b"agentguard")
        probe.flush()
        os.fsync(probe.fileno())
    yield Check("data directory", Finding.FINE, f"{folder} can be written to.")


def _disk(folder: Path) -> Iterator[Check]:
    above = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(above).free
    finding = Finding.BROKEN if free < _NO_DISK else Finding.WARNING if free < _LOW_DISK else Finding.FINE
    yield Check("disk", finding, f"{free / MIB:,.0f} MiB are free.")


def _database(folder: Path) -> Iterator[Check]:
    found = inspect_database(folder)
    if found is None:
        yield Check("database", Finding.FINE, "There is none yet; the first command that stores something makes it.")
        return
    for fault in found.faults:
        yield Check("database", Finding.BROKEN, f"It is damaged: {fault}. Restore it from a backup.")
    newer = found.revision is not None and found.revision > HEAD
    detail = f"Schema {found.revision} (this version's: {HEAD}), journal mode {found.mode}, {found.log_bytes / MIB:,.1f} MiB of log."
    yield Check("database", Finding.BROKEN if newer else Finding.FINE, detail)


def _spans(folder: Path) -> Iterator[Check]:
    found = inspect_span_files(folder)
    yield Check("spans", _left_behind(found), _span_detail(found))


def _left_behind(found: SpanFiles) -> Finding:
    return Finding.WARNING if found.segments and not found.in_use else Finding.FINE


def _span_detail(found: SpanFiles) -> str:
    server = "A server has them open" if found.in_use else "No server has them open"
    settled = f"{found.parts:,} Parquet files, {found.part_bytes / MIB:,.1f} MiB"
    left = f"{found.segments:,} log segments, {found.segment_bytes / MIB:,.1f} MiB"
    hint = " The next start of the server settles what the last one left in the log." if _left_behind(found) is Finding.WARNING else ""
    return f"{server}; {settled}; {left}.{hint}"


def _api_port(settings: Settings) -> Iterator[Check]:
    if settings.api_port == 0:
        yield Check("API port", Finding.FINE, "Any free port is taken.")
        return
    taken, who = _who_listens(settings.api_host, settings.api_port, settings)
    place = f"Port {settings.api_port} on {settings.api_host}"
    if not taken:
        yield Check("API port", Finding.FINE, f"{place} is free.")
    elif who:
        yield Check("API port", Finding.FINE, f"{place}: {who} answers.")
    else:
        yield Check("API port", Finding.BROKEN, f"{place} is taken by something else; `agentguard serve` needs another: set API_PORT.")


def _otlp_port(settings: Settings) -> Iterator[Check]:
    if settings.otlp_port == 0:
        yield Check("OTLP port", Finding.FINE, "Not wanted: OTLP is received on the API's port only.")
        return
    taken, who = _who_listens("127.0.0.1", settings.otlp_port, settings)
    place = f"Port {settings.otlp_port} on 127.0.0.1"
    if not taken:
        yield Check("OTLP port", Finding.FINE, f"{place} is free.")
    elif who:
        yield Check("OTLP port", Finding.FINE, f"{place}: {who} answers.")
    else:
        yield Check("OTLP port", Finding.WARNING, f"{place} is taken by something else: spans sent there do not come here.")


def _catalogue(paths: Sequence[Path]) -> Iterator[Check]:
    catalog = load_catalogs(paths)
    if catalog is None:
        yield Check("catalogue", Finding.FINE, "None is set; `agentguard catalog init` writes one.")
        return
    yield Check("catalogue", Finding.FINE, f"{catalog.origin}: {len(catalog.entries):,} entries.")


def _trace_links(template: str | None) -> Iterator[Check]:
    trace_links(template)
    yield Check(
        "trace links",
        Finding.FINE,
        "AGENTGUARD_TRACE_URL gives links." if template else "AGENTGUARD_TRACE_URL is not set: evidence has no links.",
    )


def _dialects() -> Iterator[Check]:
    yield Check("dialects", Finding.FINE, f"{len(load_dialects().rules):,} rules are at hand.")


def _who_listens(host: str, port: int, settings: Settings) -> tuple[bool, str | None]:
    """Return whether something listens there, and which AgentGuard it is, if it is one."""
    asked = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - asked about, not bound
    try:
        with socket.create_connection((asked, port), timeout=_TIMEOUT_SECONDS):
            pass
    except OSError:
        return False, None
    return True, _agentguard_at(asked, port, settings)


def _agentguard_at(host: str, port: int, settings: Settings) -> str | None:
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/", headers={"Authorization": f"Bearer {key}"} if key else {})
        answer = json.loads(connection.getresponse().read(65536))
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return _named(answer) if isinstance(answer, dict) else None


def _named(answer: Mapping[str, Any]) -> str | None:
    if "AgentGuard" in str(answer.get("message", "")):
        return f"AgentGuard {answer.get('version')}"
    return "an AgentGuard with another key" if answer.get("code") == "key-needed" else None
