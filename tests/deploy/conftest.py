"""The image's contents, installed once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.container import PREFIX, Container, new_container
from tests.deploy.installation import install, remove
from tests.deploy.stack import Stack, stack


@pytest.fixture(scope="session")
def installed() -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix=PREFIX))
    root.chmod(0o755)
    try:
        install(root)
        yield root
    finally:
        remove(root)


@pytest.fixture
def container(installed: Path) -> Iterator[Container]:
    with new_container(installed) as made:
        yield made


@pytest.fixture(scope="session")
def running_stack(installed: Path) -> Iterator[Stack]:
    with new_container(installed) as made, stack(made) as running:
        yield running
