"""The Dockerfile: linted, and what it promises in words that can be read off."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.deploy.dockerfile import copies, image, instructions

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")

    outcome = subprocess.run(
        [hadolint, "--disable-ignore-pragma", DOCKERFILE],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (outcome.returncode, outcome.stdout) == (0, "")


def test_every_stage_stands_on_the_same_python_pinned_by_tag() -> None:
    bases = {each.text.split()[0] for each in instructions(DOCKERFILE) if each.name == "FROM"}

    assert bases == {"python:3.11-slim-bookworm"}


def test_the_image_runs_as_a_user_without_privileges_named_by_number() -> None:
    uid, gid = (
        image(DOCKERFILE).one("USER").split(":")
    )  # by number: Kubernetes cannot tell that a name is not root

    assert int(uid) > 0
    assert int(gid) > 0


def test_commands_are_in_exec_form_and_so_get_the_stop_signal() -> None:
    found = image(DOCKERFILE)

    assert found.command[0] == "agentguard"
    assert found.health_check[0] == "python"
    assert found.one("STOPSIGNAL") == "SIGTERM"


def test_labels_say_what_the_project_says() -> None:
    labels = image(DOCKERFILE).pairs("LABEL")

    assert labels["org.opencontainers.image.version"] == PROJECT["version"]
    assert labels["org.opencontainers.image.description"] == PROJECT["description"]
    assert labels["org.opencontainers.image.licenses"] == PROJECT["license"]


def test_the_image_has_no_volume_of_its_own() -> None:
    """Railway refuses images that have one; compose and Kubernetes name theirs."""
    assert [each for each in instructions(DOCKERFILE) if each.name == "VOLUME"] == []


def test_only_what_is_copied_reaches_the_build() -> None:
    lines = (ROOT / ".dockerignore").read_text().split("\n")
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {source for source, _ in copies(instructions(DOCKERFILE))}

    assert lines[1] == "*"
    assert allowed == copied
    assert [source for source in copied if not (ROOT / source).exists()] == []
