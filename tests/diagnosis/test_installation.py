"""What stands on this machine."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from agentguard.adapters.files.parts import foreign_in
from agentguard.adapters.files.quarantine import Quarantine
from tests.diagnosis.doctor import PASSWORD, Doctor


def test_a_data_directory_that_is_a_file_is_broken_and_says_what_to_set(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", str(tmp_path / "file"))

    finding, detail = doctor.only("data directory")

    assert finding == "broken"
    assert "is not writable: Not a directory. Set AGENTGUARD_DATA_DIR" in detail


def test_no_secret_of_accounts_is_printed(doctor: Doctor):
    """`examine` looks for the planted one in all that is printed."""
    checks = doctor.examine(
        AGENTGUARD_API_KEY=PASSWORD,
        AGENTGUARD_TOKEN_KEY=PASSWORD * 3,
        AGENTGUARD_TOKEN_FORMER_KEYS=f"{PASSWORD * 4},{PASSWORD}",
        AGENTGUARD_OIDC_ISSUER="https://id.example",
        AGENTGUARD_OIDC_CLIENT_ID="agentguard",
        AGENTGUARD_OIDC_CLIENT_SECRET=PASSWORD,
        AGENTGUARD_PUBLIC_URL="https://agents.example",
    )

    assert "data directory" in checks


def test_a_disk_without_room_says_what_to_do(doctor: Doctor, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "shutil.disk_usage", lambda _path: type("Usage", (), {"free": 4 * 1024 * 1024})
    )

    finding, detail = doctor.only("disk")

    assert finding == "broken"
    assert "Free some space" in detail


def test_a_damaged_file_is_named_with_where_it_is_kept(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data = tmp_path / "data"
    hour = data / "spans" / "hour=2026-01-01T00"
    hour.mkdir(parents=True)
    (hour / "notes.parquet").write_bytes(b"no table")
    (found,) = foreign_in(data / "spans")
    Quarantine(data).add(found)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", str(data))

    checks = doctor.examine()["spans"]
    details = [check["detail"] for check in checks if check["finding"] == "warning"]

    (kept,) = (data / "quarantine").glob("*notes.parquet")
    assert len(details) == 1
    assert "notes.parquet" in details[0]
    assert f"It is kept as {kept}" in details[0]
    assert "agentguard traces fsck" in details[0]


def test_the_port_of_otlp_grpc_is_free_or_taken_by_another_program(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AGENTGUARD_OTLP_GRPC_PORT", str(taken.getsockname()[1]))
        free = doctor.only("OTLP/gRPC port")
        taken.listen()
        in_use = doctor.only("OTLP/gRPC port")

    assert free[0] == "fine"
    assert free[1].endswith("is free.")
    assert in_use[0] == "warning"
    assert "receives the spans that are sent there" in in_use[1]
