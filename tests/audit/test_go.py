"""Go's own packages for signed notes and Merkle trees accept what is made here, and vice versa.

They are part of Go's distribution (x/mod/sumdb, BSD-3-Clause) and are copied from the installed one
for the test, so that it needs no network.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest

from agentguard.audit.handovers import hand_over
from agentguard.audit.notes import Note
from agentguard.audit.tiles import Tile
from tests.audit.keys import KEY, NEXT_KEY, WITNESS
from tests.audit.logs import Log

PROGRAM = Path(__file__).parent / "go" / "main.go"
LOG = Log.of(300)
INDEX, OLD, SIZE = 123, 77, 300


@pytest.fixture(scope="module")
def checker(tmp_path_factory) -> Path:
    """Return the compiled program, next to Go's packages."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed")
    root = subprocess.run([go, "env", "GOROOT"], capture_output=True, text=True, check=True)
    found = list(Path(root.stdout.strip()).glob("src/cmd/vendor/*/x/mod/sumdb"))
    if not found:
        pytest.skip("this Go comes without x/mod/sumdb")
    folder = tmp_path_factory.mktemp("go")
    for name in ("note", "tlog"):
        shutil.copytree(found[0] / name, folder / name)
    shutil.copy(PROGRAM, folder)
    (folder / "go.mod").write_text("module checked\n\ngo 1.22\n")
    built = subprocess.run(
        [go, "build", "-o", "checker", "."],
        cwd=folder,
        env={**os.environ, "GOTOOLCHAIN": "local", "GOPROXY": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder / "checker"


def encoded(values) -> list[str]:
    return [b64encode(value).decode() for value in values]


def document() -> dict[str, object]:
    bundle = LOG.bundle(INDEX, SIZE)
    tiles = [Tile(0, 0), Tile(0, 1_234_067, 7), Tile(2, 999), Tile(1, 1_000, 255)]
    return {
        "Keys": [KEY.verifier.encode(), NEXT_KEY.verifier.encode()],
        "SigningKey": KEY.encode(),
        "Notes": [
            note.encode().decode()
            for note in (
                LOG.signed(0).note,
                LOG.signed(SIZE).note,
                LOG.signed(SIZE, WITNESS).note,
                hand_over(KEY, NEXT_KEY, size=SIZE),
            )
        ],
        "Text": "signed by Go\n\nπ\n",
        "Index": INDEX,
        "Size": SIZE,
        "Old": OLD,
        "Leaf": b64encode(bundle.leaf).decode(),
        "Root": b64encode(LOG.signed(SIZE).checkpoint.root).decode(),
        "OldRoot": b64encode(LOG.signed(OLD).checkpoint.root).decode(),
        "Inclusion": encoded(bundle.proof),
        "Consistency": encoded(LOG.consistency(OLD, SIZE)),
        "Tiles": [
            {"Level": t.level, "Number": t.number, "Width": t.width, "Path": t.path} for t in tiles
        ],
    }


def run(checker: Path, given: dict[str, object]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checker], input=json.dumps(given), capture_output=True, text=True, check=False
    )


def test_go_accepts_our_notes_and_proofs_and_we_accept_its_notes(checker: Path):
    ended = run(checker, document())

    assert ended.returncode == 0, ended.stderr
    note = Note.parse(ended.stdout.encode())
    assert note.text == "signed by Go\n\nπ\n"
    assert note.verify([KEY.verifier])
    assert note == Note(note.text).signed(KEY)


@pytest.mark.parametrize(
    "change",
    [
        {"Notes": [LOG.signed(SIZE).note.encode().decode().replace("\n300\n", "\n301\n")]},
        {"Index": INDEX + 1},
        {"Old": OLD + 1},
        {"Tiles": [{"Level": 0, "Number": 1, "Width": 256, "Path": "tile/0/002"}]},
    ],
    ids=["note", "inclusion", "consistency", "tile"],
)
def test_go_refuses_what_is_wrong(checker: Path, change):
    ended = run(checker, {**document(), **change})

    assert ended.returncode == 1
    assert ended.stdout == ""
