"""What stands on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.diagnosis.doctor import Doctor


def test_a_data_directory_that_is_a_file_is_broken_and_says_what_to_set(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", str(tmp_path / "file"))

    finding, detail = doctor.only("data directory")

    assert finding == "broken"
    assert "is not writable: Not a directory. Set AGENTGUARD_DATA_DIR" in detail


def test_a_disk_without_room_says_what_to_do(doctor: Doctor, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "shutil.disk_usage", lambda _path: type("Usage", (), {"free": 4 * 1024 * 1024})
    )

    finding, detail = doctor.only("disk")

    assert finding == "broken"
    assert "Free some space" in detail
