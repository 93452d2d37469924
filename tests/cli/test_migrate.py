"""Where `agentguard migrate` finds its target, and what it tells about it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agentguard.cli.main import app

TARGET = "postgresql://agentguard:zq9-open-sesame@127.0.0.1:1/agentguard"


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("AGENTGUARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "target"
    file.write_text(f"{TARGET}\n")
    return file


def migrate(*arguments: object, **settings: str) -> Result:
    return CliRunner().invoke(
        app, ["migrate", *map(str, arguments)], prog_name="agentguard", env=settings
    )


def assert_copy_was_tried(result: Result) -> None:
    """Without a SQLite file, a copy fails before it connects to its target."""
    assert result.exit_code == 1
    assert "There is no database" in result.stderr
    assert "open-sesame" not in result.output + result.stderr


def test_without_a_target_the_tables_are_created():
    assert "created all tables" in migrate().stdout


def test_the_target_comes_from_a_setting():
    assert_copy_was_tried(migrate(AGENTGUARD_MIGRATE_TO=TARGET))


def test_the_target_comes_from_a_file_that_a_setting_names(secret: Path):
    assert_copy_was_tried(migrate(AGENTGUARD_MIGRATE_TO_FILE=str(secret)))


def test_the_target_comes_from_a_file_that_an_option_names(secret: Path):
    result = migrate("--to-file", secret)

    assert_copy_was_tried(result)
    assert "Warning" not in result.stderr


def test_a_password_in_an_argument_is_warned_about():
    result = migrate("--to", TARGET)

    assert_copy_was_tried(result)
    assert "the password in --to is visible" in result.stderr


def test_an_argument_without_a_password_is_not_warned_about():
    assert "Warning" not in migrate("--to", "postgresql://agentguard@127.0.0.1:1/x").stderr


def test_two_targets_are_an_error(secret: Path):
    result = migrate("--to", TARGET, "--to-file", secret)

    assert result.exit_code == 2
    assert "not both" in result.stderr


def test_an_unreadable_file_is_an_error(tmp_path: Path):
    result = migrate("--to-file", tmp_path / "missing")

    assert result.exit_code == 2
    assert "is unreadable: No such file or directory" in result.stderr
