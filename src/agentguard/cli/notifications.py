"""`agentguard notifications`: what was told about incidents, and whether it arrived."""

from __future__ import annotations

from typing import Annotated

import typer

from agentguard.cli.command import Command, ExitCode
from agentguard.cli.incident_options import EXAMPLE_ID, BeforeOption
from agentguard.cli.options import DataDirOption, Format, FormatOption, examples
from agentguard.notifications.names import DeliveryState, ReceiverName

_LIST_EXAMPLES = examples(
    "agentguard notifications list",
    "agentguard notifications list --state given_up",
    f"agentguard notifications list --incident {EXAMPLE_ID} --format json",
)
_TEST_EXAMPLES = examples("agentguard notifications test")

StatesOption = Annotated[
    list[DeliveryState] | None,
    typer.Option(help="Only notifications in this state; repeatable.", show_default=False),
]
ReceiversOption = Annotated[
    list[ReceiverName] | None,
    typer.Option(help="Only for this receiver; repeatable.", show_default=False),
]
IncidentOption = Annotated[
    str | None,
    typer.Option(help="Only those about this incident.", metavar="ID", show_default=False),
]

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show what was told about incidents, and try who is told.",
)


@app.command("list", cls=Command, epilog=_LIST_EXAMPLES)
def list_notifications(
    *,
    state: StatesOption = None,
    receiver: ReceiversOption = None,
    incident: IncidentOption = None,
    before: BeforeOption = None,
    limit: Annotated[int, typer.Option(help="Notifications shown.", min=1, max=200)] = 50,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show what waits for a receiver, was delivered or was given up, the latest changes first.

    Tables show local time, JSON UTC.
    """
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.notifications import page_parts
    from agentguard.notifications.store import NotificationCursor, NotificationFilter

    wanted = NotificationFilter(
        tuple(state or ()),
        tuple(receiver or ()),
        incident,
        before=None if before is None else NotificationCursor.parse(before),
    )
    document = ask(
        settings_with(data_dir, None), lambda opened: opened.notifications.page(wanted, limit)
    )
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(page_parts(shown(document)))


@app.command("test", cls=Command, epilog=_TEST_EXAMPLES)
def send_test(output_format: FormatOption = Format.TABLE) -> None:
    """Send every receiver a message that says it is a test; print what became of each.

    PagerDuty gets an alert that is resolved at once. Exits with 1 if a receiver did not take the
    message, or if none is set.
    """
    import asyncio

    from agentguard.bootstrap.notifications import try_receivers
    from agentguard.cli.messages import say
    from agentguard.cli.output import print_json, print_lines, shown
    from agentguard.cli.principal import os_user
    from agentguard.cli.tables.notifications import outcome_lines
    from agentguard.settings import load_settings

    document = asyncio.run(try_receivers(load_settings(), os_user()))
    found = document["receivers"]
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_lines(outcome_lines(shown(document)))
    if not found:
        say(
            "No receiver is set. Set AGENTGUARD_WEBHOOK_URL, AGENTGUARD_SLACK_WEBHOOK_URL or"
            " AGENTGUARD_PAGERDUTY_ROUTING_KEY."
        )
    if not found or not all(each["delivered"] for each in found):
        raise typer.Exit(ExitCode.FAILED)
