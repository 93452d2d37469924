"""References to graphs: a version, a dataset, a window."""

from __future__ import annotations

import pytest

from agentguard.graph.references import (
    GraphReferenceError,
    UnknownGraphReferenceError,
    parse_window,
    select,
)
from agentguard.graph.selection import SpansNotKeptError
from agentguard.graph.storage.store import LIVE
from agentguard.traces.window import TimeWindow, TimeWindowError
from tests.graph.test_selection import WINDOW, selector

HOUR = 3600 * 1_000_000_000
NOW = 1_000 * HOUR


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(
    ("text", "dataset", "window"),
    [
        ("live@-2h..-1h", LIVE, TimeWindow(NOW - 2 * HOUR, NOW - HOUR)),
        ("live@2h..1h", LIVE, TimeWindow(NOW - 2 * HOUR, NOW - HOUR)),
        ("@-2h..", LIVE, TimeWindow(NOW - 2 * HOUR, None)),
        ("live@..-1h", LIVE, TimeWindow(None, NOW - HOUR)),
        ("team@shop@-1h..", "team@shop", TimeWindow(NOW - HOUR, None)),
        ("live@1970-01-01T02:00Z..", LIVE, TimeWindow(2 * HOUR, None)),
    ],
)
def test_windows(text: str, dataset: str, window: TimeWindow) -> None:
    found = parse_window(text, NOW)

    assert found is not None
    assert (found.dataset, found.window) == (dataset, window)


@pytest.mark.parametrize("text", ["live", "shop@noon", "a..b", "019ac0ffee"])
def test_what_is_no_window_names_a_version_or_a_dataset(text: str) -> None:
    assert parse_window(text, NOW) is None


@pytest.mark.parametrize("text", ["live@..", "live@ .. "])
def test_a_window_needs_a_side(text: str) -> None:
    with pytest.raises(GraphReferenceError, match="neither a start nor an end"):
        parse_window(text, NOW)


def test_a_window_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(TimeWindowError):
        parse_window("live@-1h..-2h", NOW)


@pytest.mark.anyio
async def test_a_version_comes_before_a_dataset_of_the_same_name() -> None:
    graphs = selector("1", "monday")

    assert (await select(graphs, "1", NOW)).dataset == "monday"
    assert (await select(graphs, "monday", NOW)).version == "1"
    assert (await select(graphs, "0", NOW)).dataset == "1"


@pytest.mark.anyio
async def test_a_window_is_one_of_live_spans() -> None:
    graphs = selector(LIVE, "monday")

    of_window = await select(graphs, "live@1.000000001s..1s", now=1_000_000_002)

    assert (of_window.graph.asked, of_window.version) == (WINDOW, None)
    with pytest.raises(SpansNotKeptError):
        await select(graphs, "monday@-1h..", NOW)


@pytest.mark.anyio
@pytest.mark.parametrize("text", ["tuesday", "99"])
async def test_an_unknown_reference_says_what_can_be_written(text: str) -> None:
    with pytest.raises(UnknownGraphReferenceError, match=r"live@-2h\.\.-1h"):
        await select(selector("monday"), text, NOW)


@pytest.mark.anyio
async def test_an_empty_reference_is_refused() -> None:
    with pytest.raises(GraphReferenceError):
        await select(selector("monday"), " ", NOW)
