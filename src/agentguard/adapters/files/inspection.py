"""Read-only inspection of a data directory's span files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agentguard.adapters.files.locks import exclusive
from agentguard.adapters.files.parts import parts_in
from agentguard.adapters.files.quarantine import Quarantine
from agentguard.adapters.files.segments import segments_in
from agentguard.adapters.files.spans import USE_LOCK
from agentguard.traces.damage import DamagedFile


@dataclass(frozen=True, slots=True)
class SpanFiles:
    """Number and size of the files."""

    in_use: bool
    """Whether a server has them open."""
    segments: int
    """Log segments that are not compacted yet."""
    segment_bytes: int
    parts: int
    part_bytes: int
    damaged: tuple[DamagedFile, ...]
    """Files in quarantine."""


def inspect_span_files(directory: Path) -> SpanFiles:
    """Inspect the span files of a data directory; raise OSError if they are unreadable."""
    segments = [path.stat().st_size for path in segments_in(directory / "log")]
    lake = directory / "spans"
    parts = [part.path(lake).stat().st_size for part in parts_in(lake)]
    return SpanFiles(
        _in_use(directory / USE_LOCK),
        len(segments),
        sum(segments),
        len(parts),
        sum(parts),
        Quarantine(directory).files(),
    )


def _in_use(path: Path) -> bool:
    if not path.exists():
        return False
    with exclusive(path) as unused:
        return not unused
