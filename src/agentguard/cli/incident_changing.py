"""Changes one incident and shows it: what the commands of `agentguard incidents` share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from agentguard.cli.options import Format
from agentguard.incidents.states import State

if TYPE_CHECKING:
    from agentguard.bootstrap.app import App
    from agentguard.incidents.model import Incident

MOST_EVENTS = 1000


def move(
    incident_id: str, to: State, note: str | None, data_dir: Path | None, output_format: Format
) -> None:
    from agentguard.cli.principal import os_user

    change_incident(
        lambda opened: opened.incidents.move(os_user(), incident_id, to, note=note),
        data_dir,
        output_format,
    )


def change_incident(
    work: Callable[[App], Awaitable[Incident]],
    data_dir: Path | None,
    output_format: Format,
    *,
    create: bool = False,
) -> None:
    """Change an incident, and show it; `create` makes a data directory where there is none."""
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask, change

    async def changed(opened: App) -> Shown:
        return await documents(opened, (await work(opened)).id)

    run = change if create else ask
    print_incident(run(settings_with(data_dir, None), changed), output_format)


Shown: TypeAlias = tuple[dict[str, Any], dict[str, Any]]
"""The documents of an incident and of its timeline."""


async def documents(opened: App, incident_id: str) -> Shown:
    views = opened.incident_views
    return await views.show(incident_id), await views.events(incident_id, limit=MOST_EVENTS)


def print_incident(documents: Shown, output_format: Format, *, full: bool = False) -> None:
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.incidents import incident_parts

    incident, events = documents
    if output_format is Format.JSON:
        print_json(incident)
    else:
        print_report(incident_parts(shown(incident), shown(events), full=full))
