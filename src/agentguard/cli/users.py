"""`agentguard users`: people who sign in."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentguard.accounts.roles import Role
from agentguard.cli.command import Command
from agentguard.cli.options import DataDirOption, Format, FormatOption, examples

if TYPE_CHECKING:
    from pathlib import Path

    from agentguard.accounts.users import User
    from agentguard.bootstrap.app import App

_LIST_EXAMPLES = examples("agentguard users list", "agentguard users list --format json")
_CREATE_EXAMPLES = examples(
    "agentguard users create ada --role admin",
    "openssl rand -base64 24 | tee password | agentguard users create ada --role viewer",
    "agentguard users create grace --role operator --no-password",
)
_ROLE_EXAMPLES = examples("agentguard users role ada operator")
_PASSWORD_EXAMPLES = examples("agentguard users password ada")
_SIGN_OUT_EXAMPLES = examples("agentguard users sign-out ada")
_REMOVE_EXAMPLES = examples("agentguard users remove ada")

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Create, list, change and remove users."
)

UserArgument = Annotated[str, typer.Argument(metavar="USER", help="Name or id of the user.")]


@app.command("list", cls=Command, epilog=_LIST_EXAMPLES)
def list_users(
    after: Annotated[
        str | None,
        typer.Option(
            help="Only users created after this one: the next page.",
            metavar="ID",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(help="Users shown.", min=1, max=200)] = 50,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show users, the first created first: role, and when each last signed in."""
    from agentguard.accounts.documents import users_document
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.principal import os_user

    found = ask(
        settings_with(data_dir, None),
        lambda opened: opened.accounts.users.page(os_user(), limit, after=after),
    )
    _print(users_document(found, limit), output_format)


@app.command(cls=Command, epilog=_CREATE_EXAMPLES)
def create(
    name: Annotated[str, typer.Argument(help="Name to sign in with.")],
    role: Annotated[Role, typer.Option(help="What the user may do.")],
    no_password: Annotated[
        bool, typer.Option("--no-password", help="Let the user sign in by single sign-on only.")
    ] = False,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Create a user; the password is asked for, or read from standard input.

    From the first user on, requests to the server need credentials, also those from this machine.
    """
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import change
    from agentguard.cli.principal import os_user

    password = None if no_password else _password()
    user = change(
        settings_with(data_dir, None),
        lambda opened: opened.accounts.users.create(os_user(), name, role, password),
    )
    _print_user(user, output_format)


@app.command("role", cls=Command, epilog=_ROLE_EXAMPLES)
def set_role(
    user: UserArgument,
    role: Annotated[Role, typer.Argument(help="What the user may do.")],
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Give a user another role: in every process within a second."""
    from agentguard.cli.principal import os_user

    _changed(
        data_dir,
        output_format,
        lambda opened: opened.accounts.users.set_role(os_user(), user, role),
    )


@app.command("password", cls=Command, epilog=_PASSWORD_EXAMPLES)
def set_password(
    user: UserArgument, data_dir: DataDirOption = None, output_format: FormatOption = Format.TABLE
) -> None:
    """Give a user another password, asked for or read from standard input.

    It signs the user out everywhere.
    """
    from agentguard.cli.principal import os_user

    password = _password()
    _changed(
        data_dir,
        output_format,
        lambda opened: opened.accounts.users.set_password(os_user(), user, password),
    )


@app.command("sign-out", cls=Command, epilog=_SIGN_OUT_EXAMPLES)
def sign_out(
    user: UserArgument, data_dir: DataDirOption = None, output_format: FormatOption = Format.TABLE
) -> None:
    """Sign a user out everywhere: end all sessions and tokens."""
    from agentguard.cli.principal import os_user

    _changed(
        data_dir, output_format, lambda opened: opened.accounts.users.sign_out(os_user(), user)
    )


@app.command(cls=Command, epilog=_REMOVE_EXAMPLES)
def remove(
    user: UserArgument, data_dir: DataDirOption = None, output_format: FormatOption = Format.TABLE
) -> None:
    """Remove a user with all sessions and tokens; the last administrator and the last user stay."""
    from agentguard.cli.principal import os_user

    _changed(data_dir, output_format, lambda opened: opened.accounts.users.remove(os_user(), user))


def _changed(
    data_dir: Path | None, output_format: Format, work: Callable[[App], Awaitable[User]]
) -> None:
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask

    _print_user(ask(settings_with(data_dir, None), work), output_format)


def _password() -> str:
    """Return a password that is typed twice, or the first line of standard input."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")


def _print_user(user: User, output_format: Format) -> None:
    from agentguard.accounts.documents import user_document, users_document
    from agentguard.cli.output import print_json

    if output_format is Format.JSON:
        print_json(user_document(user))
    else:
        _print(users_document([user], limit=2), output_format)


def _print(document: dict[str, Any], output_format: Format) -> None:
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.accounts import users_parts

    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(users_parts(shown(document)))
