"""What people declared: agents, workflows and other components."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Declared(StrEnum):
    """What an entry speaks of."""

    AGENT = "agent"
    WORKFLOW = "workflow"
    COMPONENT = "component"
    """Any other kind of component."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One declaration; id or name is given, or both."""

    declares: Declared
    id: str | None = None
    name: str | None = None
    owner: str | None = None
    value_per_run: float | None = None
    line: int = 0
    """Where it stands in the file, from 1; 0 where there is no file."""

    @property
    def label(self) -> str:
        """What to call it in a message."""
        return self.name or self.id or ""


@dataclass(frozen=True, slots=True)
class Catalog:
    """All declarations of one file."""

    entries: tuple[Entry, ...] = ()
    currency: str | None = None
    """Of every value_per_run; as declared."""
    origin: str = ""
    """The file's path, for messages."""
