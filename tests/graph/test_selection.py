from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from agentguard.graph.errors import NoGraphError
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs, no_runs
from agentguard.graph.selection import (
    GraphSelection,
    GraphSelectionError,
    GraphSelector,
    SpansNotKeptError,
)
from agentguard.graph.storage.store import LIVE, GraphVersion
from agentguard.traces.window import TimeWindow
from tests.graph.handmade import shop

pytestmark = pytest.mark.anyio
WINDOW = TimeWindow(1, 2)
OF_WINDOW = replace(shop(), asked=WINDOW)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass(frozen=True, slots=True)
class Stored:
    """Versions in memory, oldest first."""

    versions: tuple[GraphVersion, ...]

    async def newest(self, dataset: str | None = None) -> GraphVersion:
        for version in reversed(self.versions):
            if dataset in (None, version.dataset):
                return version
        raise NoGraphError.of(dataset)

    async def get(self, version_id: str) -> GraphVersion:
        for version in self.versions:
            if version.id == version_id:
                return version
        raise NoGraphError.version(version_id)

    async def runs(self, version_id: str) -> Runs:
        raise NoGraphError.version(version_id)

    async def keep(self, version_id: str) -> None:
        """Do nothing: every version is stored."""

    def as_of(self, newest: GraphVersion) -> int:
        return newest.created_at

    async def graph(self, window: TimeWindow) -> tuple[Graph, Runs]:
        assert window == WINDOW
        return OF_WINDOW, no_runs()


def selector(*datasets: str) -> GraphSelector:
    """Return one over datasets, last written last; version ids count from 0."""
    stored = Stored(tuple(GraphVersion(str(n), d, n + 1, shop()) for n, d in enumerate(datasets)))
    return GraphSelector(stored, stored)


@pytest.mark.parametrize(
    ("datasets", "default"),
    [((LIVE, "monday"), LIVE), (("monday", LIVE), LIVE), (("monday", "tuesday"), "tuesday")],
)
async def test_live_is_the_default_whatever_was_scanned_since(datasets, default):
    assert (await selector(*datasets).select(GraphSelection())).dataset == default


async def test_a_dataset_gives_its_newest_version():
    found = await selector("monday", "monday", LIVE).select(GraphSelection("monday"))

    assert (found.dataset, found.version) == ("monday", "1")


async def test_a_version_gives_exactly_that_one():
    found = await selector("monday", "monday", LIVE).select(GraphSelection(version="0"))

    assert (found.dataset, found.version) == ("monday", "0")


async def test_a_version_of_another_dataset_is_an_error():
    with pytest.raises(NoGraphError, match="does not belong to dataset 'tuesday'"):
        await selector("monday").select(GraphSelection("tuesday", "0"))


async def test_a_window_gives_a_graph_without_a_version_and_its_own_runs():
    windows = selector("monday", LIVE)

    found = await windows.select(GraphSelection(window=WINDOW))

    assert (found.dataset, found.version, found.graph) == (LIVE, None, OF_WINDOW)
    assert await windows.runs(found) is found.window_runs


@pytest.mark.parametrize("selection", [GraphSelection("monday", None, WINDOW)])
async def test_only_live_spans_are_kept(selection):
    with pytest.raises(SpansNotKeptError, match="'monday'"):
        await selector("monday", LIVE).select(selection)


async def test_a_window_without_live_data_names_the_dataset_that_it_cannot_cut():
    with pytest.raises(SpansNotKeptError, match="'monday'"):
        await selector("monday").select(GraphSelection(window=WINDOW))


def test_a_version_and_a_window_exclude_each_other():
    with pytest.raises(GraphSelectionError):
        GraphSelection(version="0", window=WINDOW)
