"""What settings and options together say."""

from __future__ import annotations

from pathlib import Path

from agentguard.catalog.matching import Matches
from agentguard.catalog.model import Catalog
from agentguard.catalog.reading import load_catalog
from agentguard.catalog.views import view
from agentguard.graph.documents import View
from agentguard.graph.evidence_links import trace_links
from agentguard.kernel.clock import system_clock
from agentguard.settings import Settings, load_settings
from agentguard.traces.window import TimeWindow
from agentguard.traces.window_words import written_window


def settings_with(data_dir: Path | None, catalog: Path | None) -> Settings:
    """Return the settings, with what the command line says instead."""
    given = {"data_dir": data_dir, "catalog": catalog}
    return load_settings().model_copy(update={name: path for name, path in given.items() if path is not None})


def window_asked(since: str | None, until: str | None, lookback: str | None) -> TimeWindow | None:
    """Return the window of event time that options ask for; raise TimeWindowError where they contradict each other."""
    return written_window(since=since, until=until, lookback=lookback, now=system_clock())


def declared(settings: Settings) -> Catalog | None:
    """Return the catalogue that the settings name; raise CatalogFormatError where it is none."""
    return None if settings.catalog is None else load_catalog(settings.catalog)


def view_of(matches: Matches, settings: Settings) -> View:
    return view(matches, trace_links(settings.trace_url))
