"""How every command ends: exit codes, and errors as sentences."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from agentguard.cli.messages import say
from agentguard.kernel.errors import AgentGuardError
from agentguard.kernel.problems import internal_problem, problem

EXIT_CODES = (
    "Exit codes: 0 fine, 1 failed or found nothing usable, 2 wrong use, 130 interrupted, 141 the"
    " reader of the output went away."
)


_WRONG_USE = frozenset({"bad-time-window", "bad-graph-selection"})
"""Codes of errors that say how an option was written, not what came of the work."""


class ExitCode(IntEnum):
    """Exit codes."""

    FINE = 0
    FAILED = 1
    WRONG_USE = 2
    INTERRUPTED = 130
    BROKEN_PIPE = 141


class Command(TyperCommand):
    """A command whose errors are sentences on standard error.

    With `--format json`, also a problem document on standard output.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        AgentGuardError and faults of our own end in exit code 1, with a traceback only after
        --debug.
        """
        return _invoke(ctx, super().invoke)


class Group(TyperGroup):
    """Commands below a name that does something itself, with the same errors."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that is asked for."""
        return _invoke(ctx, super().invoke)


def _invoke(ctx: Any, invoke: Callable[[Any], Any]) -> Any:
    try:
        return invoke(ctx)
    except AgentGuardError as error:
        _fail(ctx, error, problem(error))
    except BrokenPipeError:
        leave_quietly()
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        if type(error).__module__.startswith("typer."):
            raise
        _report(error)
        detail = (
            f"An internal error occurred ({type(error).__name__}: {error}). Run `agentguard"
            " --debug …` to see where."
        )
        _fail(ctx, error, internal_problem(detail))


def leave_quietly() -> NoReturn:
    """Exit as a program whose reader went away.

    Without the interpreter's last flush, which would fail again.
    """
    os._exit(ExitCode.BROKEN_PIPE)


def _report(error: Exception) -> None:
    """Tell Sentry, where it is set."""
    try:
        from agentguard.bootstrap.reports import reporting
        from agentguard.settings import load_settings

        with reporting(load_settings()) as report:
            report(error, "command_crashed")
    # Nothing that is wrong with telling may hide what there is to tell.
    except Exception as reason:  # noqa: BLE001 - said, and no more
        say(str(reason))


def _fail(ctx: Any, error: Exception, document: dict[str, Any]) -> NoReturn:
    if ctx.find_root().params.get("debug"):
        traceback.print_exception(error, file=sys.stderr)
    say(document["detail"])
    if ctx.params.get("output_format") == "json":
        typer.echo(json.dumps(document, indent=2))
    raise typer.Exit(ExitCode.WRONG_USE if document["code"] in _WRONG_USE else ExitCode.FAILED)
