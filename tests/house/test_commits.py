"""A commit's subject says one thing in at most 72 characters."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_SUBJECT = 72
SINCE = "671bc134f77c03164b72c36b88a6565e1ec4738e"
"""The last commit that the rule does not cover."""


def subjects(since: str) -> list[str]:
    """Return the subjects of the commits after this one; skip where git does not have it."""
    log = subprocess.run(
        ["git", "log", "--no-merges", "--format=%s", f"{since}..HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if log.returncode:
        pytest.skip(f"not a git checkout, or one without the history since {since}")
    return log.stdout.splitlines()


def test_commit_subjects_are_short() -> None:
    assert [subject for subject in subjects(SINCE) if len(subject) > LONGEST_SUBJECT] == []
