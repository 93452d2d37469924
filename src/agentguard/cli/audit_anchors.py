"""`agentguard audit anchor` and `agentguard audit costs`."""

from __future__ import annotations

from typing import Annotated

import typer

from agentguard.cli.options import DataDirOption, Format, FormatOption, examples

ANCHOR_EXAMPLES = examples("agentguard audit anchor", "agentguard audit anchor --now")
COSTS_EXAMPLES = examples("agentguard audit costs")


def anchor(
    *,
    now: Annotated[
        bool,
        typer.Option(
            "--now", help="First anchor what is new, without waiting for the interval to end."
        ),
    ] = False,
    give_up: Annotated[
        bool,
        typer.Option(
            "--give-up",
            help="First end the anchor that is open, as its chain or account is no longer used.",
        ),
    ] = False,
    limit: Annotated[int, typer.Option(help="Anchors shown.", min=1, max=1000)] = 20,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show how much of the log is anchored on a chain, and published as files.

    A server anchors by itself, once per AGENTGUARD_AUDIT_ANCHOR_INTERVAL_SECONDS. An anchor counts
    once its block is final.
    """
    from agentguard.audit.anchor_documents import standing_document
    from agentguard.audit.anchor_standing import Standing
    from agentguard.bootstrap.app import App
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.principal import os_user
    from agentguard.cli.tables.anchors import standing_parts

    async def asked(app: App) -> Standing:
        if give_up:
            await app.anchoring.give_up(os_user())
        if now:
            await app.anchoring.run(os_user(), at_once=True)
        return await app.anchoring.standing(limit)

    document = standing_document(ask(settings_with(data_dir, None), asked))
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(standing_parts(shown(document)))


def costs(data_dir: DataDirOption = None, output_format: FormatOption = Format.TABLE) -> None:
    """Show what anchors have cost, from the receipts of final transactions."""
    from agentguard.audit.anchor_documents import costs_document
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.anchors import costs_parts

    settings = settings_with(data_dir, None)
    settled = ask(settings, lambda app: app.anchoring.costs())
    document = costs_document(settled, settings.audit_anchor_interval_seconds)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(costs_parts(shown(document)))
