"""Exchanges with language models, in files for their owner alone."""

from __future__ import annotations

import json
from pathlib import Path

from structlog.testing import capture_logs

from agentguard.adapters.files.exchanges import ExchangeFiles
from agentguard.playbooks.language_models import Answer, Prompt, Usage
from agentguard.playbooks.model_wrappers import Exchange

ANSWERED = Exchange(
    "gemini:x", Prompt("Phrase it.", "<data>é 🤖</data>"), {}, Answer("{}", Usage(3, 4), "x"), None
)
FAILED = Exchange("gemini:x", Prompt("Phrase it.", "<data></data>"), {}, None, "it is unreachable")


def test_each_exchange_is_a_file_that_its_owner_alone_can_read(tmp_path: Path):
    folder = tmp_path / "new" / "exchanges"
    files = ExchangeFiles(folder, lambda: 7)
    for exchange in (ANSWERED, FAILED, ANSWERED):
        files.add(exchange)

    found = {path.name: json.loads(path.read_text()) for path in folder.iterdir()}
    assert len(found) == 2  # equal exchanges of one moment are one
    assert all(name.startswith("7-") for name in found)
    assert {each["error"] for each in found.values()} == {None, "it is unreachable"}
    (answered,) = (each for each in found.values() if each["completion"])
    assert answered["prompt"]["content"] == "<data>é 🤖</data>"
    assert answered["completion"]["usage"] == {"input_tokens": 3, "output_tokens": 4}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_cannot_be_written_is_logged_and_stops_nothing(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with capture_logs() as logs:
        ExchangeFiles(tmp_path / "file", lambda: 7).add(ANSWERED)

    assert [(each["event"], each["reason"]) for each in logs] == [
        ("exchange_not_recorded", "File exists")
    ]
