"""Game days: which failure to try first."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import (
    Document,
    answer,
    count,
    faint,
    first_names,
    name,
    percent,
    plural,
    section,
)
from agentguard.cli.tables.rows import ROWS, Rows, dispensable, names, number

_DAYS = (
    names("Take away"),
    names("from"),
    number("Runs decided"),
    number("Survives"),
    dispensable(names("Outages that it tells about"), 1),
)


def game_days_parts(
    document: Document, called: Mapping[str, str], *, full: bool = False
) -> list[RenderableType]:
    """Return the game days of a graph: the answer, then the table."""
    days = document["game_days"]
    simulated = f"{plural(document['outages_simulated'], 'single outage')} simulated"
    if not days:
        return [answer(document["reason"]), faint(f"{simulated}.")]
    rows: list[list[str | Text]] = [
        [
            name(_away(day, called), style="bold"),
            name(called.get(day["source"], day["source"])),
            count(day["runs_decided"]),
            percent(day["survives"]),
            first_names([called.get(o["component"], o["component"]) for o in day["outages"]]),
        ]
        for day in days
    ]
    note = (
        "Runs decided: the runs lost that lie between both answers, over these outages. Survives:"
        " what is believed now, from the kind of component alone."
    )
    table = Rows(_DAYS, rows, top=None if full else ROWS)
    return [answer(_first(days[0], called)), section(f"Game days, {simulated}", table, faint(note))]


def _first(day: Document, called: Mapping[str, str]) -> str:
    source, target = (called.get(day[each], day[each]) for each in ("source", "target"))
    if day["standby"]:
        standby = called.get(day["standby"], day["standby"])
        return f"Try first: take {target} away, and see whether {standby} takes over."
    unseen = "Its failure was not seen in this window."
    return f"Try first: take {target} away from {source}. {unseen}"


def _away(day: Document, called: Mapping[str, str]) -> str:
    target = called.get(day["target"], day["target"])
    return f"{target} (standby {day['standby']})" if day["standby"] else target
