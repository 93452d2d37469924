"""Which graph a question is about: a dataset's newest version, one version, or a window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agentguard.graph.errors import NoGraphError
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.graph.storage.store import LIVE, GraphVersion
from agentguard.kernel.errors import ConflictError, InvalidInputError
from agentguard.traces.window import TimeWindow


class GraphSelectionError(InvalidInputError):
    """A version and a window exclude each other."""

    code = "bad-graph-selection"


class SpansNotKeptError(ConflictError):
    """A window needs spans that are not stored."""

    code = "spans-not-kept"

    def __init__(self, dataset: str | None) -> None:
        super().__init__(
            f"Only the graph of dataset {dataset!r} is stored, not its spans. Scan the files again"
            " with this window."
        )


@dataclass(frozen=True, slots=True)
class GraphSelection:
    """A request for a graph.

    Without a version and a window: the newest version of the dataset.
    """

    dataset: str | None = None
    """None: `live` where it has a graph, else the dataset last written."""
    version: str | None = None
    """Id of a stored version."""
    window: TimeWindow | None = None
    """Compute the graph from the stored live spans of this window."""

    def __post_init__(self) -> None:
        if self.version is not None and self.window is not None:
            raise GraphSelectionError(
                "A stored version and a window exclude each other. Give `version`, or `since`,"
                " `until` and `lookback`."
            )


@dataclass(frozen=True, slots=True)
class SelectedGraph:
    """A graph and where it comes from."""

    dataset: str
    version: str | None
    """None for the graph of a window, which is not stored."""
    created_at: int
    """ns; 0 for the graph of a window."""
    graph: Graph
    window_runs: Runs | None = None
    """Of a window; those of a version are in the store."""
    as_of: int | None = None
    """ns, of a newest version: it has all spans until then. None for an older one or a window."""

    @staticmethod
    def of(version: GraphVersion, *, as_of: int | None = None) -> SelectedGraph:
        """Return a stored version as a selected graph."""
        return SelectedGraph(
            version.dataset, version.id, version.created_at, version.graph, as_of=as_of
        )


class StoredVersions(Protocol):
    """Where stored versions are read; see graph.storage.versions.Graphs."""

    async def newest(self, dataset: str | None = None) -> GraphVersion:
        """Return the newest version of the dataset, or of the dataset last written.

        Raises NoGraphError.
        """

    async def get(self, version_id: str) -> GraphVersion:
        """Return this version; raise NoGraphError if it is not stored."""

    async def runs(self, version_id: str) -> Runs:
        """Return the runs behind this version; raise NoGraphError if it is not stored."""

    async def keep(self, version_id: str) -> None:
        """Store the version if it is only in memory, because a result cites it."""

    def as_of(self, newest: GraphVersion) -> int:
        """Return until when (ns) the newest version of its dataset has all spans."""


class LiveWindows(Protocol):
    """Graphs of windows, computed from the stored live spans."""

    async def graph(self, window: TimeWindow) -> tuple[Graph, Runs]:
        """Return the graph of all stored traces that start in the window, and their runs.

        Empty where there are none. CPU-bound work happens elsewhere; takes seconds.
        """


async def default_version(versions: StoredVersions) -> GraphVersion:
    """Return the newest version of `live` where it has a graph, else the one last written.

    Raises NoGraphError.
    """
    try:
        return await versions.newest(LIVE)
    except NoGraphError:
        return await versions.newest()


@dataclass(frozen=True, slots=True)
class GraphSelector:
    """Finds selected graphs."""

    versions: StoredVersions
    windows: LiveWindows

    async def select(self, selection: GraphSelection) -> SelectedGraph:
        """Return the selected graph.

        Raises NoGraphError, SpansNotKeptError.
        """
        if selection.window is not None:
            return await self._window(selection.dataset, selection.window)
        if selection.version is not None:
            return await self._version(selection.dataset, selection.version)
        newest = await self._newest(selection.dataset)
        return SelectedGraph.of(newest, as_of=self.versions.as_of(newest))

    async def select_cited(self, selection: GraphSelection) -> SelectedGraph:
        """Return the selected graph for a result that cites its version: it is stored then.

        Raises as `select`.
        """
        selected = await self.select(selection)
        if selected.version is not None:
            await self.versions.keep(selected.version)
        return selected

    async def runs(self, selected: SelectedGraph) -> Runs:
        """Return the runs behind the graph; raise NoGraphError if its version was deleted."""
        if selected.window_runs is not None:
            return selected.window_runs
        return await self.versions.runs(selected.version or "")

    async def _newest(self, dataset: str | None) -> GraphVersion:
        if dataset is not None:
            return await self.versions.newest(dataset)
        return await default_version(self.versions)

    async def _version(self, dataset: str | None, version_id: str) -> SelectedGraph:
        version = await self.versions.get(version_id)
        await self.versions.keep(version_id)
        if dataset not in (None, version.dataset):
            raise NoGraphError.version_of(version_id, dataset or "")
        return SelectedGraph.of(version)

    async def _window(self, dataset: str | None, window: TimeWindow) -> SelectedGraph:
        found = (await self._newest(None)).dataset if dataset is None else dataset
        if found != LIVE:
            raise SpansNotKeptError(found)
        graph, runs = await self.windows.graph(window)
        return SelectedGraph(LIVE, None, 0, graph, runs)
