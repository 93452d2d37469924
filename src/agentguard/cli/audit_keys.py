"""`agentguard audit keys`: the keys that sign the log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agentguard.cli.command import Command, Group
from agentguard.cli.messages import say
from agentguard.cli.options import DataDirOption, Format, FormatOption, examples

_KEYS_EXAMPLES = examples("agentguard audit keys > operator.key", "agentguard audit keys rotate")
_ROTATE_EXAMPLES = examples(
    "agentguard audit keys rotate",
    "agentguard audit keys rotate --new-key /run/secrets/audit-key-2",
)
_HANDOVER_EXAMPLES = examples("agentguard audit keys handover > 2026.handover")
_BEGIN_EXAMPLES = examples("agentguard audit keys begin --origin example.com/agentguard-2")

app = typer.Typer(
    cls=Group, invoke_without_command=True, rich_markup_mode=None, epilog=_KEYS_EXAMPLES
)


@app.callback()
def keys(
    ctx: typer.Context, data_dir: DataDirOption = None, output_format: FormatOption = Format.TABLE
) -> None:
    """Print the public key of the log, for those who verify; give it to them by another way.

    JSON also names the former keys. A handover note in each exported entry leads from every one of
    them to the present one, so those who have a former key need no other.
    """
    if ctx.invoked_subcommand is not None:
        return
    from agentguard.bootstrap.audit_keys import keys_document
    from agentguard.cli.choices import settings_with
    from agentguard.cli.output import print_json, print_text

    document = keys_document(settings_with(data_dir, None))
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_text(f"{document['key']}\n")


@app.command(cls=Command, epilog=_ROTATE_EXAMPLES)
def rotate(
    new_key: Annotated[
        Path | None,
        typer.Option(
            help="File for the new key. Default: in the data directory.", show_default=False
        ),
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Replace the key that signs the log with a new one.

    Both keys sign a handover note, which exported entries carry. Servers with the data directory
    go on with the new key by themselves. With AGENTGUARD_AUDIT_KEY_FILE, --new-key is needed: set
    it to that file on every server; until then entries wait, and none is lost.
    """
    from agentguard.bootstrap.app import App
    from agentguard.bootstrap.audit_keys import rotate as rotate_key
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.principal import os_user

    async def rotated(app: App) -> str:
        made = await rotate_key(app, os_user(), new_key)
        ids = f"Key {made.old.key_id.hex()} handed over to {made.new.key_id.hex()}"
        return (
            f"{ids} at size {made.size:,}. Keep a backup of the new key, and give the note of"
            " `agentguard audit keys handover` to those who monitor the log."
        )

    say(ask(settings_with(data_dir, None), rotated))
    if new_key is not None:
        say(f"Set AGENTGUARD_AUDIT_KEY_FILE={new_key} on every server; entries wait until then.")


@app.command(cls=Command, epilog=_HANDOVER_EXAMPLES)
def handover(data_dir: DataDirOption = None) -> None:
    """Print the newest handover note between two keys of the log.

    `audit verify` and `audit monitor` take it with --handover from those who know the old key only.
    """
    from agentguard.bootstrap.audit_keys import newest_handover
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_text

    print_text(ask(settings_with(data_dir, None), newest_handover).decode())


@app.command(cls=Command, epilog=_BEGIN_EXAMPLES)
def begin(
    origin: Annotated[
        str | None,
        typer.Option(
            help="Name of the new log. Default: AGENTGUARD_AUDIT_ORIGIN, or a random one.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Begin a new log where the key of the old one is lost.

    Without the old key no handover is possible, so the new log has another name, and anyone who
    trusted the old key must get the new one. All entries stay; the first new one cites the last
    checkpoint of the old log.
    """
    from agentguard.bootstrap.app import App
    from agentguard.bootstrap.audit_keys import begin as begin_log
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.principal import os_user

    async def begun(app: App) -> str:
        ended, key = await begin_log(app, os_user(), origin)
        return (
            f"The log {ended.origin!r} ended at size {ended.size:,}. {key.name!r} goes on with its"
            " entries. Give the new key to those who verify: agentguard audit keys."
        )

    say(ask(settings_with(data_dir, None), begun))
