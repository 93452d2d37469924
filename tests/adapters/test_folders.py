"""Only their owner can read the data directory and its files, whatever modes they had."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

import pytest

from agentguard.adapters.files.folders import private_folder, restrict_existing
from agentguard.bootstrap.opening import open_app
from agentguard.bootstrap.wiring import DataDirectoryError, make_folder
from agentguard.kernel.clock import system_clock
from agentguard.settings import Settings
from tests.acting import TESTER
from tests.conformance.graphs import RUNS, version
from tests.traces.spans import batch, protobuf

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def modes(directory: Path) -> dict[str, int]:
    """Return the files and folders that others than their owner can use, with their modes."""
    found = {
        path: stat.S_IMODE(path.lstat().st_mode) for path in (directory, *directory.rglob("*"))
    }
    return {
        str(path.relative_to(directory)): mode
        for path, mode in found.items()
        if mode != (0o700 if path.is_dir() else 0o600)
    }


async def use(directory: Path) -> dict[str, int]:
    """Receive spans and store a graph; return what is not private while the server runs."""
    settings = Settings(data_dir=directory, keep_content=True)
    async with open_app(settings, serving=True, in_processes=False) as app:
        assert app.serving is not None
        await app.serving.spans.append(batch(protobuf([1])))
        await app.serving.spans.compact()
        await app.serving.spans.append(batch(protobuf([2])))
        await app.scans.publisher.publish(TESTER, version("shop", system_clock), RUNS)
        app.uploaded.new_upload()
        return modes(directory)


async def test_everything_in_a_new_data_directory_is_private(tmp_path: Path):
    assert await use(tmp_path / "data") == {}


async def test_an_existing_data_directory_becomes_private(tmp_path: Path):
    await use(tmp_path / "data")
    for path in (tmp_path / "data", *(tmp_path / "data").rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)

    assert await use(tmp_path / "data") == {}


def test_files_of_others_keep_their_modes(tmp_path: Path):
    (tmp_path / "notes.txt").touch(0o644)
    (tmp_path / "elsewhere").mkdir(0o755)
    (tmp_path / "spans").mkdir(0o755)
    (tmp_path / "spans" / "link").symlink_to(tmp_path / "notes.txt")

    restrict_existing(tmp_path)

    assert modes(tmp_path).keys() >= {"notes.txt", "elsewhere"}
    assert stat.S_IMODE((tmp_path / "spans").stat().st_mode) == 0o700


def test_a_folder_for_all_users_keeps_its_mode(tmp_path: Path):
    tmp_path.chmod(0o1777)

    private_folder(tmp_path)

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EROFS, "Read-only file system. Mount its disk for writing"),
        (errno.ENOSPC, "No space left on device. Free some space"),
        (errno.EACCES, "Permission denied. Allow this user to write there"),
    ],
)
def test_a_start_where_nothing_can_be_written_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
):
    def fail(**_arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)

    with pytest.raises(DataDirectoryError, match=advice):
        make_folder(tmp_path)
