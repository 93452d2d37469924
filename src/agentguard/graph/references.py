"""References to graphs as people write them: a version, a dataset, a window."""

from __future__ import annotations

from dataclasses import dataclass

from agentguard.graph.errors import NoGraphError
from agentguard.graph.selection import GraphSelection, GraphSelector, SelectedGraph
from agentguard.graph.storage.store import LIVE
from agentguard.kernel.errors import InvalidInputError, NotFoundError
from agentguard.traces.window import TimeWindow
from agentguard.traces.window_parsing import parse_window as parse_times

SYNTAX = (
    "the id of a graph version, the name of a dataset (its newest version), or a window of live"
    " spans such as live@-2h..-1h, live@-1h.. or live@2026-11-25T10:00Z..2026-11-25T11:00Z"
)


class GraphReferenceError(InvalidInputError):
    """The text is no reference to a graph."""

    code = "bad-graph-reference"


class UnknownGraphReferenceError(NotFoundError):
    """No stored graph bears this id or name."""

    code = "unknown-graph-reference"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text!r} is neither a stored graph version nor a dataset. Write {SYNTAX}."
        )


@dataclass(frozen=True, slots=True)
class WindowReference:
    """A window of a dataset's spans."""

    dataset: str
    window: TimeWindow


def parse_window(text: str, now: int) -> WindowReference | None:
    """Return the window that the text means; None where it names a version or a dataset.

    `DATASET@SINCE..UNTIL`: each side is a time in ISO 8601 or how long ago (2h or -2h), and may be
    left out; without a dataset it is `live`. Raises GraphReferenceError and TimeWindowError.
    """
    dataset, at, window = text.rpartition("@")
    since, dots, until = window.partition("..")
    if not at or not dots:
        return None
    found = parse_times(since=_moment(since), until=_moment(until), lookback=None, now=now)
    if found is None:
        raise GraphReferenceError(f"The window in {text!r} has neither a start nor an end.")
    return WindowReference(dataset or LIVE, found)


async def select(selector: GraphSelector, text: str, now: int) -> SelectedGraph:
    """Return the graph that the text refers to.

    Raises GraphReferenceError, TimeWindowError, SpansNotKeptError, UnknownGraphReferenceError.
    """
    if not text.strip():
        raise GraphReferenceError(f"An empty reference names no graph. Write {SYNTAX}.")
    if found := parse_window(text, now):
        return await selector.select(GraphSelection(dataset=found.dataset, window=found.window))
    for selection in (GraphSelection(version=text), GraphSelection(dataset=text)):
        try:
            return await selector.select_cited(selection)
        except NoGraphError:
            continue
    raise UnknownGraphReferenceError(text)


def _moment(text: str) -> str | None:
    return text.strip().removeprefix("-") or None
