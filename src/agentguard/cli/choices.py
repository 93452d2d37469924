"""Settings and requests, from options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.filtering import GraphFilter
from agentguard.graph.level import Level
from agentguard.graph.selection import GraphSelection
from agentguard.graph.sorting import SortKey
from agentguard.kernel.clock import system_clock
from agentguard.settings import Settings, load_settings
from agentguard.traces.window import TimeWindow
from agentguard.traces.window_parsing import parse_window


def settings_with(
    data_dir: Path | None, catalog: Sequence[Path] | None, *, join_traces: bool | None = None
) -> Settings:
    """Return the settings, overridden by options."""
    given = {
        "data_dir": data_dir,
        "catalog": tuple(catalog or ()) or None,
        "join_traces": join_traces,
    }
    return load_settings().model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )


def window_from_options(
    since: str | None, until: str | None, lookback: str | None
) -> TimeWindow | None:
    """Return the window of event time, or None without options; raise TimeWindowError."""
    return parse_window(since=since, until=until, lookback=lookback, now=system_clock())


def selection_from_options(
    dataset: str | None,
    version: str | None,
    since: str | None,
    until: str | None,
    lookback: str | None,
) -> GraphSelection:
    """Return the selected graph; raise TimeWindowError, GraphSelectionError."""
    return GraphSelection(dataset, version, window_from_options(since, until, lookback))


def filter_from_options(
    kinds: Sequence[ComponentKind] | None,
    owner: str | None,
    sort: SortKey | None,
    top: int | None,
    *,
    errors: bool,
    shadow: bool,
    level: Level | None,
) -> GraphFilter:
    """Return the filter of the graph."""
    return GraphFilter(
        tuple(kinds or ()),
        errors=errors,
        shadow=shadow,
        owner=owner,
        sort=sort,
        top=top,
        level=level,
    )
