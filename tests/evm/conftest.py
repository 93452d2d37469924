"""A node for the tests of this folder, which stop its mining and reorganise its chain."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.services.anvil import anvil
from tests.evm.node import Node
from tests.services import own


@pytest.fixture(scope="package")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with own(anvil, tmp_path_factory.mktemp("anvil")) as server:
        yield Node(server.settings["WEB3_PROVIDER_URL"])


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
