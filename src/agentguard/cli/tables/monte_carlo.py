"""What the Monte Carlo method finds beside runs lost: chances, rates per hour, timeouts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, count, hanging, name, percent, section
from agentguard.cli.tables.rows import ROWS, Rows, dispensable, names, number, text

_CHANCES = (
    names("Workflow"),
    number("Chance to fail"),
    text("95% interval"),
    dispensable(number("Wrong answer"), 1),
    dispensable(number("Lost per hour")),
    dispensable(number("In a bad hour")),
)
_TIMEOUTS = (
    names("Caller"),
    names("Callee"),
    number("Timeout"),
    number("Longest success"),
    number("Runs beyond"),
)


def monte_carlo_parts(
    document: Document, called: Mapping[str, str], *, full: bool = False
) -> Iterator[RenderableType]:
    """Yield the parts; none with other methods."""
    found = document["monte_carlo"]
    if found is None:
        return
    top = None if full else ROWS
    yield section("Chance that a run fails", Rows(_CHANCES, _chances(found, called), top=top))
    if found["timeouts"]:
        rows = [_timeout(t, called) for t in found["timeouts"]]
        yield section("Slower calls", Rows(_TIMEOUTS, rows, top=top))
    said = [*found["notes"]]
    if found["runs_lost_per_hour_reason"]:
        said.append(found["runs_lost_per_hour_reason"])
    if said:
        yield section("What this cannot know", *(hanging("●", each) for each in said))


def _chances(found: Document, called: Mapping[str, str]) -> list[list[str | Text]]:
    rates = {rate["workflow"]: rate for rate in found["runs_lost_per_hour"]}
    rows: list[list[str | Text]] = [
        [
            name(called.get(w["id"], w["id"]), style="bold"),
            percent(w["probability"]),
            f"{percent(w['low'])} to {percent(w['high'])}",
            percent(w["wrong"]) if w["wrong"] else "–",
            *_rate(rates.get(w["id"])),
        ]
        for w in sorted(found["workflows"], key=lambda w: (-w["probability"], w["id"]))
    ]
    if None in rates and len(rows) > 1:
        rows.append([name("all together"), "", "", "", *_rate(rates[None])])
    return rows


def _rate(rate: Document | None) -> tuple[str, str]:
    if rate is None:
        return "–", "–"
    return count(rate["expected"]), count(rate["bad_hour"])


def _timeout(timeout: Document, called: Mapping[str, str]) -> list[str | Text]:
    return [
        name(called.get(timeout["source"], timeout["source"])),
        name(called.get(timeout["target"], timeout["target"])),
        _seconds(timeout["timeout_seconds"]),
        _seconds(timeout["longest_seconds"]),
        percent(timeout["share"]),
    ]


def _seconds(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds:.3g} s"
