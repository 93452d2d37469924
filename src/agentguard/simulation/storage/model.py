"""A stored simulation: its document, and the inputs that give the same document again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from agentguard.catalog.model import Catalog
from agentguard.kernel.errors import InvalidInputError, NotFoundError
from agentguard.simulation.model import Thresholds

Document: TypeAlias = dict[str, Any]

_CURSOR = re.compile(r"(\d{1,19})-([0-9a-f]{1,64})")


class UnknownSimulationError(NotFoundError):
    """There is no such simulation."""

    code = "unknown-simulation"

    def __init__(self, simulation_id: str) -> None:
        super().__init__(
            f"There is no stored simulation {simulation_id!r}. List all with `agentguard"
            " simulations`."
        )


class SimulationCursorError(InvalidInputError):
    """The start of a page is not the `next` of an earlier one."""

    code = "bad-cursor"

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is not the start of a page. Use `next` of the previous page.")


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything beside the graph version and its runs that a result depends on."""

    request: Mapping[str, Any]
    """What fails and how, with the graph version, as a job stores it; see Failure.request."""
    thresholds: Thresholds
    catalog: Catalog | None


@dataclass(frozen=True, slots=True)
class SimulationRecord:
    """What is known of a stored simulation without its document."""

    id: str
    created_at: int
    """ns; cut to microseconds in the database."""
    created_by: str
    """Id of a principal."""
    agentguard_version: str
    dataset: str
    graph_version: str
    summary: Mapping[str, Any]
    """Members of the document that lists show."""

    @property
    def failed(self) -> tuple[str, ...]:
        """Return the ids of the components that fail."""
        return tuple(self.summary["failed_components"])


@dataclass(frozen=True, slots=True)
class StoredSimulation:
    """A simulation with its inputs and its result."""

    record: SimulationRecord
    inputs: Inputs
    document: Document
    """Without its id, and without links to a trace viewer, which depend on a setting."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last simulation of a page: the next one has only older simulations."""

    created_at: int
    id: str

    @staticmethod
    def parse(text: str) -> Cursor:
        """Return the cursor; raise SimulationCursorError."""
        found = _CURSOR.fullmatch(text)
        if found is None or int(found[1]) >= 2**63:
            raise SimulationCursorError(text)
        return Cursor(int(found[1]), found[2])

    def __str__(self) -> str:
        return f"{self.created_at}-{self.id}"


@dataclass(frozen=True, slots=True)
class SimulationFilter:
    """Which simulations a list shows; nothing set = all."""

    component: str | None = None
    """Id of a component that fails."""
    dataset: str | None = None
    since: int | None = None
    """ns since the epoch, inclusive: when it was stored."""
    until: int | None = None
    """ns since the epoch, exclusive."""
    before: Cursor | None = None
