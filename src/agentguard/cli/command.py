"""Exit codes and error messages of all commands."""

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
    "Exit codes: 0 success, 1 failure or no usable input, 2 usage error, 130 interrupted, 141"
    " output pipe closed."
)


_WRONG_USE = frozenset({"bad-time-window", "bad-graph-selection"})
"""Codes of errors in the options, as opposed to failures of the command."""


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

        An AgentGuardError or an internal error exits with 1, with a traceback only with --debug.
        """
        return _invoke(ctx, super().invoke)


class Group(TyperGroup):
    """A command with subcommands, whose errors are reported like those of Command."""

    def invoke(self, ctx: Any) -> Any:
        """Run the subcommand."""
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
    """Exit after the output pipe was closed, without the interpreter's flush, which would fail."""
    os._exit(ExitCode.BROKEN_PIPE)


def _report(error: Exception) -> None:
    """Report the error to Sentry if it is configured."""
    try:
        from agentguard.bootstrap.reports import reporting
        from agentguard.settings import load_settings

        with reporting(load_settings()) as report:
            report(error, "command_crashed")
    # A failing report must not hide the error itself.
    except Exception as reason:  # noqa: BLE001 - only printed
        say(str(reason))


def _fail(ctx: Any, error: Exception, document: dict[str, Any]) -> NoReturn:
    if ctx.find_root().params.get("debug"):
        traceback.print_exception(error, file=sys.stderr)
    say(document["detail"])
    if ctx.params.get("output_format") == "json":
        typer.echo(json.dumps(document, indent=2))
    raise typer.Exit(ExitCode.WRONG_USE if document["code"] in _WRONG_USE else ExitCode.FAILED)
