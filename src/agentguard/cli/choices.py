"""What settings and options together say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agentguard.catalog.loading import load_catalogs
from agentguard.catalog.matching import Matches
from agentguard.catalog.model import Catalog
from agentguard.catalog.views import view
from agentguard.graph.documents import View
from agentguard.graph.evidence_links import trace_links
from agentguard.kernel.clock import system_clock
from agentguard.settings import Settings, load_settings
from agentguard.traces.window import TimeWindow
from agentguard.traces.window_parsing import parse_window


def settings_with(data_dir: Path | None, catalog: Sequence[Path] | None) -> Settings:
    """Return the settings, with what the command line says instead."""
    given = {"data_dir": data_dir, "catalog": tuple(catalog or ()) or None}
    return load_settings().model_copy(
        update={name: said for name, said in given.items() if said is not None}
    )


def window_asked(since: str | None, until: str | None, lookback: str | None) -> TimeWindow | None:
    """Return the window of event time that options ask for.

    Raise TimeWindowError where they contradict each other.
    """
    return parse_window(since=since, until=until, lookback=lookback, now=system_clock())


def declared(settings: Settings) -> Catalog | None:
    """Return what the files that the settings name declare.

    Raise CatalogFormatError where one is no catalogue.
    """
    return load_catalogs(settings.catalog)


def view_of(matches: Matches, settings: Settings) -> View:
    return view(matches, trace_links(settings.trace_url))
