"""The pictures in the demo's README show what the systems declare."""

from __future__ import annotations

import re
from pathlib import Path

from demo.runner import SYSTEMS
from demo.system import System

README = (Path(__file__).parents[2] / "demo" / "README.md").read_text(encoding="utf-8")
ARROW = re.compile(r"^ *(\w+)(\(\[.*?\]\))? -\.?->(?:\|.*?\|)? (\w+)", re.MULTILINE)


def drawn(picture: str) -> set[tuple[str, str]]:
    return {(caller, callee) for caller, _, callee in ARROW.findall(picture)}


def declared(system: System, drawn_edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Calls of the system's agents and entries.

    A tool's use of the database is written in code only, so the picture's is taken.
    """
    entries = {
        (path.strip("/"), agent)
        for service in system.services
        for path, agent in service.entries.items()
    }
    calls = {
        (agent.name, callee)
        for agent in system.agents.values()
        for callee in (*agent.tools, *agent.colleagues)
    }
    return (
        entries
        | calls
        | {(caller, callee) for caller, callee in drawn_edges if callee == system.database}
    )


def test_each_systems_picture_shows_every_call_and_no_other() -> None:
    pictures = re.findall(r"```mermaid\n(.*?)```", README, re.DOTALL)

    assert len(pictures) == len(SYSTEMS)
    for picture, system in zip(pictures, SYSTEMS.values(), strict=True):
        assert drawn(picture) == declared(system, drawn(picture))
