"""`agentguard traces fsck` names every damaged file, and --repair keeps all that can be read."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agentguard.adapters.files.spans import open_span_store
from agentguard.cli.main import app
from agentguard.kernel.clock import system_clock
from tests.conformance.test_span_store import decode, held
from tests.traces.spans import batch, protobuf

pytestmark = pytest.mark.anyio


async def filled(directory: Path) -> Path:
    """Store three spans in Parquet and three in the log of a process that died."""
    alive = directory / "alive"
    async with open_span_store(alive, decode, system_clock, keep_bodies=False) as store:
        for n in (1, 2, 3):
            await store.append(batch(protobuf([n])))
            await store.compact()
        for n in (4, 5, 6):
            await store.append(batch(protobuf([n])))
        shutil.copytree(alive, directory / "data", ignore=shutil.ignore_patterns("*.lock"))
    return directory / "data"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def fsck(directory: Path, *options: str):
    return CliRunner().invoke(app, ["traces", "fsck", "--data-dir", str(directory), *options])


def document(directory: Path, *options: str):
    answer = fsck(directory, "--format", "json", *options)
    return answer.exit_code, json.loads(answer.stdout)


async def stored(directory: Path) -> Counter[int]:
    async with open_span_store(directory, decode, system_clock, keep_bodies=False) as store:
        return await held(store)


async def test_undamaged_files_are_fine(tmp_path: Path):
    directory = await filled(tmp_path)

    code, found = document(directory)

    assert code == 0
    assert found["parts"] == 3
    assert found["segments"] == 1
    assert found["damaged"] == found["quarantine"] == []
    assert "No file is damaged." in fsck(directory).stdout


async def test_damaged_files_are_named_and_nothing_is_changed(tmp_path: Path):
    directory = await filled(tmp_path)
    (log,) = (directory / "log").iterdir()
    part = sorted((directory / "spans").glob("*/*.parquet"))[1]
    foreign = part.with_name("notes.parquet")
    flip(log)
    flip(part)
    foreign.write_bytes(b"x")
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}

    code, found = document(directory)

    assert code == 1
    assert {(each["file"], each["records_lost"]) for each in found["damaged"]} == {
        (str(log.relative_to(directory)), 1),
        (str(part.relative_to(directory)), None),
        (str(foreign.relative_to(directory)), None),
    }
    assert before == {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    assert "3 damaged files" in fsck(directory).stdout


async def test_a_repair_keeps_what_can_be_read_and_sets_the_rest_aside(tmp_path: Path):
    directory = await filled(tmp_path)
    (log,) = (directory / "log").iterdir()
    part = sorted((directory / "spans").glob("*/*.parquet"))[1]
    flip(log)
    flip(part)

    code, found = await asyncio.to_thread(document, directory, "--repair")

    assert code == 0
    assert found["damaged"] == []
    assert found["repaired"]
    assert {each["file"] for each in found["quarantine"]} == {
        str(log.relative_to(directory)),
        str(part.relative_to(directory)),
    }
    kept = await stored(directory)
    assert set(kept) < {1, 3, 4, 5, 6}
    assert len(kept) == 4
    assert document(directory)[0] == 0


async def test_segments_that_a_running_process_writes_are_left_to_it(tmp_path: Path):
    async with open_span_store(tmp_path, decode, system_clock, keep_bodies=False) as store:
        await store.append(batch(protobuf([1])))

        code, found = document(tmp_path)

    assert code == 0
    assert found["segments_in_use"] == 1


def test_a_missing_data_directory_is_an_error(tmp_path: Path):
    answer = fsck(tmp_path / "nowhere")

    assert answer.exit_code == 1
    assert not (tmp_path / "nowhere").exists()
