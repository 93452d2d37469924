"""Checks of this machine: settings, folders, span files, ports and catalog."""

from __future__ import annotations

import http.client
import json
import os
import platform
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agentguard.adapters.files.inspection import SpanFiles, inspect_span_files
from agentguard.catalog.loading import load_catalogs
from agentguard.diagnosis.checks import Check, Finding, Group
from agentguard.diagnosis.stored import STORED, stored_data
from agentguard.discovery.dialects.users import dialects_with
from agentguard.environment import environment, unused_settings
from agentguard.graph.evidence_links import trace_links
from agentguard.service_settings import secret_text
from agentguard.settings import MIB, Settings, unknown_settings

_LOW_DISK, _NO_DISK = 1024 * MIB, 100 * MIB
_TIMEOUT_SECONDS = 2
_OTHER_KEY = "an AgentGuard with another key"
_CATALOG = "catalog"
_GRPC_PORT = "OTLP/gRPC port"


def installation(settings: Settings) -> list[Group]:
    """Return the checks of this machine."""
    return [
        Group("versions", _versions),
        Group("settings", lambda: _settings(environment())),
        Group("data directory", lambda: _data_directory(settings.data_dir)),
        Group("disk", lambda: _disk(settings.data_dir)),
        Group("spans", lambda: _spans(settings.data_dir)),
        Group(STORED, lambda: stored_data(settings)),
        Group("API port", lambda: _api_port(settings)),
        Group("OTLP port", lambda: _otlp_port(settings)),
        Group(_GRPC_PORT, lambda: _grpc_port(settings)),
        Group(_CATALOG, lambda: _catalog(settings.catalog)),
        Group("trace links", lambda: _trace_links(settings.trace_url)),
        Group("dialects", lambda: _dialects(settings.dialects)),
    ]


def _versions() -> Iterator[Check]:
    yield Check(
        "versions",
        Finding.FINE,
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version},"
        f" {platform.system()}.",
    )


def _settings(variables: Mapping[str, str]) -> Iterator[Check]:
    for name in unused_settings(variables):
        yield Check(
            "settings",
            Finding.WARNING,
            f"{name} is set, but this version does not have that feature; it is ignored.",
        )
    for name in unknown_settings(variables):
        yield Check(
            "settings",
            Finding.WARNING,
            f"{name} is set, but there is no such setting. Check its spelling.",
        )
    yield Check("settings", Finding.FINE, "The settings are valid.")


def _data_directory(folder: Path) -> Iterator[Check]:
    if not folder.exists():
        above = next(parent for parent in folder.absolute().parents if parent.exists())
        finding = Finding.FINE if os.access(above, os.W_OK) else Finding.BROKEN
        yield Check(
            "data directory",
            finding,
            f"{folder} does not exist yet;"
            f" {'it can be created' if finding is Finding.FINE else f'{above} is not writable'}.",
        )
        return
    try:
        _write_to(folder)
    except OSError as error:
        reason = (
            f"{folder} is not writable: {error.strerror}. Set AGENTGUARD_DATA_DIR to a writable"
            " folder."
        )
        yield Check("data directory", Finding.BROKEN, reason)
        return
    yield Check("data directory", Finding.FINE, f"{folder} is writable.")


def _write_to(folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(b"agentguard")
        probe.flush()
        os.fsync(probe.fileno())


def _disk(folder: Path) -> Iterator[Check]:
    above = next(
        parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists()
    )
    free = shutil.disk_usage(above).free
    finding = (
        Finding.BROKEN if free < _NO_DISK else Finding.WARNING if free < _LOW_DISK else Finding.FINE
    )
    advice = (
        ""
        if finding is Finding.FINE
        else " Free some space, or set AGENTGUARD_DATA_DIR to another disk."
    )
    yield Check("disk", finding, f"{free / MIB:,.0f} MiB free at {above}.{advice}")


def _spans(folder: Path) -> Iterator[Check]:
    found = inspect_span_files(folder)
    yield Check("spans", _segments_finding(found), _span_detail(found))
    for damaged in found.damaged:
        yield Check(
            "spans",
            Finding.WARNING,
            f"{damaged}. It is kept as {folder / 'quarantine'}/{damaged.quarantined_as};"
            " `agentguard traces fsck` checks all files.",
        )


def _segments_finding(found: SpanFiles) -> Finding:
    return Finding.WARNING if found.segments and not found.in_use else Finding.FINE


def _span_detail(found: SpanFiles) -> str:
    server = "In use by a server" if found.in_use else "Not in use by a server"
    settled = f"{found.parts:,} Parquet files, {found.part_bytes / MIB:,.1f} MiB"
    left = f"{found.segments:,} log segments, {found.segment_bytes / MIB:,.1f} MiB"
    hint = (
        " The next start of the server compacts the remaining log segments."
        if _segments_finding(found) is Finding.WARNING
        else ""
    )
    return f"{server}; {settled}; {left}.{hint}"


def _api_port(settings: Settings) -> Iterator[Check]:
    if settings.api_port == 0:
        yield Check("API port", Finding.FINE, "API_PORT is 0: the system chooses a free port.")
        return
    taken, who = _listener(settings.api_host, settings.api_port, settings)
    place = f"Port {settings.api_port} on {settings.api_host}"
    if not taken:
        yield Check("API port", Finding.FINE, f"{place} is free.")
    elif who:
        yield Check("API port", Finding.FINE, f"{place}: {who} answers.")
    else:
        yield Check(
            "API port",
            Finding.BROKEN,
            f"{place} is in use by another program. Set API_PORT to a free port.",
        )


def _otlp_port(settings: Settings) -> Iterator[Check]:
    if settings.otlp_port == 0:
        yield Check(
            "OTLP port",
            Finding.FINE,
            "AGENTGUARD_OTLP_PORT is 0: OTLP is received on the API's port only.",
        )
        return
    taken, who = _listener("127.0.0.1", settings.otlp_port, settings)
    place = f"Port {settings.otlp_port} on 127.0.0.1"
    if not taken:
        yield Check("OTLP port", Finding.FINE, f"{place} is free.")
    elif who:
        yield Check("OTLP port", Finding.FINE, f"{place}: {who} answers.")
    else:
        yield Check(
            "OTLP port",
            Finding.WARNING,
            f"{place} is in use by another program, which receives the spans that are sent there."
            " Send spans to the API's port, or stop that program.",
        )


def _grpc_port(settings: Settings) -> Iterator[Check]:
    host, port = settings.otlp_grpc_host, settings.otlp_grpc_port
    place = f"Port {port} on {host}"
    if port == 0:
        yield Check(
            _GRPC_PORT, Finding.FINE, "AGENTGUARD_OTLP_GRPC_PORT is 0: OTLP/gRPC is not received."
        )
    elif not _listener(host, port, settings)[0]:
        yield Check(_GRPC_PORT, Finding.FINE, f"{place} is free.")
    elif _listener(settings.api_host, settings.api_port, settings)[1]:
        # gRPC does not tell whose server it is.
        yield Check(
            _GRPC_PORT,
            Finding.FINE,
            f"{place} is in use: by the AgentGuard that answers on the API's port, unless its log"
            " has otlp_grpc_port_taken.",
        )
    else:
        yield Check(
            _GRPC_PORT,
            Finding.WARNING,
            f"{place} is in use by another program, which receives the spans that are sent there."
            " Stop that program, or set AGENTGUARD_OTLP_GRPC_PORT to a free port.",
        )


def _catalog(paths: Sequence[Path]) -> Iterator[Check]:
    catalog = load_catalogs(paths)
    if catalog is None:
        yield Check(_CATALOG, Finding.FINE, "None is set; `agentguard catalog init` writes one.")
        return
    yield Check(_CATALOG, Finding.FINE, f"{catalog.origin}: {len(catalog.entries):,} entries.")


def _trace_links(template: str | None) -> Iterator[Check]:
    trace_links(template)
    yield Check(
        "trace links",
        Finding.FINE,
        (
            "AGENTGUARD_TRACE_URL is valid: evidence has links."
            if template
            else "AGENTGUARD_TRACE_URL is not set: evidence has no links."
        ),
    )


def _dialects(paths: tuple[Path, ...]) -> Iterator[Check]:
    rules = f"{len(dialects_with(paths).rules):,} rules loaded"
    own = f", those of {', '.join(map(str, paths))} first" if paths else ""
    yield Check("dialects", Finding.FINE, f"{rules}{own}.")


def _listener(host: str, port: int, settings: Settings) -> tuple[bool, str | None]:
    """Return whether the port is in use, and by which AgentGuard, if it is one."""
    loopback_of = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
    asked = loopback_of.get(host, host)
    try:
        with socket.create_connection((asked, port), timeout=_TIMEOUT_SECONDS):
            pass
    except OSError:
        return False, None
    return True, _agentguard_at(asked, port, settings)


def _agentguard_at(host: str, port: int, settings: Settings) -> str | None:
    key = secret_text(settings.api_key) or ""
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
    return _OTHER_KEY if answer.get("code") == "authentication-required" else None
