"""`agentguard keys`: API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentguard.accounts.principal import Permission
from agentguard.cli.command import Command
from agentguard.cli.options import DataDirOption, Format, FormatOption, examples

if TYPE_CHECKING:
    from agentguard.accounts.keys import ApiKey, IssuedKey
    from agentguard.bootstrap.app import App

_LIST_EXAMPLES = examples("agentguard keys list", "agentguard keys list --format json")
_CREATE_EXAMPLES = examples(
    "agentguard keys create collector --scope ingest",
    "agentguard keys create ci --scope read --scope simulate --expires 90d",
)
_ROTATE_EXAMPLES = examples(
    "agentguard keys rotate 3f9c01ab77de", "agentguard keys rotate 3f9c01ab77de --overlap 24h"
)
_EXPIRE_EXAMPLES = examples(
    "agentguard keys expire 3f9c01ab77de --at 2027-01-01T00:00:00Z",
    "agentguard keys expire 3f9c01ab77de --never",
)
_REVOKE_EXAMPLES = examples("agentguard keys revoke 3f9c01ab77de")

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Create, list, rotate and revoke API keys."
)

KeyArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the key.")]


@app.command("list", cls=Command, epilog=_LIST_EXAMPLES)
def list_keys(
    before: Annotated[
        str | None,
        typer.Option(
            help="Only keys created before this one: the next page.",
            metavar="ID",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(help="Keys shown.", min=1, max=200)] = 50,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show API keys, the last created first: prefix, scopes, state and last use.

    The secrets are not stored, so they cannot be shown.
    """
    from agentguard.accounts.documents import keys_document
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.principal import os_user
    from agentguard.cli.tables.accounts import keys_parts

    async def asked(opened: App) -> dict[str, Any]:
        keys = opened.accounts.keys
        found = await keys.page(os_user(), limit, before=before)
        return keys_document(found, keys.clock(), limit)

    document = ask(settings_with(data_dir, None), asked)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(keys_parts(shown(document)))


@app.command(cls=Command, epilog=_CREATE_EXAMPLES)
def create(
    name: Annotated[str, typer.Argument(help="What the key is for; shown in lists.")],
    scopes: Annotated[
        list[Permission],
        typer.Option("--scope", help="What the key may do; repeatable. `admin` includes no other."),
    ],
    expires: Annotated[
        str | None,
        typer.Option(
            help="When the key expires: ISO 8601, or in how long (12h, 90d). Default: never.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Create an API key and print it, this once: AgentGuard stores only its hash.

    With --format table, standard output is the key alone. From the first key on, requests to the
    server need credentials, also those from this machine.
    """
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import change
    from agentguard.cli.principal import os_user
    from agentguard.kernel.clock import system_clock

    expires_at = _deadline(expires, system_clock())
    issued = change(
        settings_with(data_dir, None),
        lambda opened: opened.accounts.keys.create(os_user(), name, scopes, expires_at=expires_at),
    )
    _print_issued(issued, output_format)


@app.command(cls=Command, epilog=_ROTATE_EXAMPLES)
def rotate(
    key_id: KeyArgument,
    overlap: Annotated[
        str, typer.Option(help="For so long the former secret is accepted, too: 24h, 7d.")
    ] = "0s",
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Give a key another secret and print the new key, this once."""
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.principal import os_user
    from agentguard.kernel.clock import NS_PER_SECOND
    from agentguard.traces.window_parsing import parse_duration

    seconds = parse_duration(overlap, "--overlap") / NS_PER_SECOND
    issued = ask(
        settings_with(data_dir, None),
        lambda opened: opened.accounts.keys.rotate(os_user(), key_id, overlap_seconds=seconds),
    )
    _print_issued(issued, output_format)


@app.command(cls=Command, epilog=_EXPIRE_EXAMPLES)
def expire(
    key_id: KeyArgument,
    at: Annotated[
        str | None,
        typer.Option(help="When: ISO 8601, or in how long (12h, 90d).", show_default=False),
    ] = None,
    never: Annotated[bool, typer.Option("--never", help="Let it never expire.")] = False,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Set when a key expires."""
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.principal import os_user
    from agentguard.kernel.clock import system_clock

    if (at is None) is not never:
        raise typer.BadParameter("Give either --at or --never.")
    end = _deadline(at, system_clock())
    key = ask(
        settings_with(data_dir, None),
        lambda opened: opened.accounts.keys.expire(os_user(), key_id, end),
    )
    _print_key(key, output_format)


@app.command(cls=Command, epilog=_REVOKE_EXAMPLES)
def revoke(
    key_id: KeyArgument,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Revoke a key for good, in every process within a second. It stays in the list."""
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.principal import os_user

    key = ask(
        settings_with(data_dir, None),
        lambda opened: opened.accounts.keys.revoke(os_user(), key_id),
    )
    _print_key(key, output_format)


def _deadline(text: str | None, now: int) -> int | None:
    from agentguard.traces.window_parsing import parse_deadline

    return None if text is None else parse_deadline(text, "expiry", now)


def _print_issued(issued: IssuedKey, output_format: Format) -> None:
    from agentguard.accounts.documents import issued_document
    from agentguard.cli.messages import say
    from agentguard.cli.output import print_json, print_text
    from agentguard.kernel.clock import system_clock

    if output_format is Format.JSON:
        print_json(issued_document(issued, system_clock()))
        return
    say(f"Key {issued.key.id} ({', '.join(sorted(issued.key.scopes))}). It is shown this once:")
    print_text(f"{issued.token.text}\n")


def _print_key(key: ApiKey, output_format: Format) -> None:
    from agentguard.accounts.documents import key_document, keys_document
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.accounts import keys_parts
    from agentguard.kernel.clock import system_clock

    now = system_clock()
    if output_format is Format.JSON:
        print_json(key_document(key, now))
    else:
        print_report(keys_parts(shown(keys_document([key], now, limit=2))))
