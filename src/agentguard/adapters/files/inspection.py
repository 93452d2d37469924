"""What stands in a data directory's span files, without opening them for writing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agentguard.adapters.files.locks import alone
from agentguard.adapters.files.parts import parts_in
from agentguard.adapters.files.segments import SUFFIX
from agentguard.adapters.files.spans import USE


@dataclass(frozen=True, slots=True)
class SpanFiles:
    """Counts of files and bytes."""

    in_use: bool
    """Whether a server has them open."""
    segments: int
    """Of the log, not yet settled."""
    segment_bytes: int
    parts: int
    part_bytes: int


def inspect_span_files(directory: Path) -> SpanFiles:
    """Look at the span files in a data directory; raises OSError where they cannot be read."""
    segments = [path.stat().st_size for path in directory.joinpath("log").glob(f"*{SUFFIX}")]
    lake = directory / "spans"
    parts = [part.path(lake).stat().st_size for part in parts_in(lake)]
    return SpanFiles(_in_use(directory / USE), len(segments), sum(segments), len(parts), sum(parts))


def _in_use(path: Path) -> bool:
    if not path.exists():
        return False
    with alone(path) as unused:
        return not unused
