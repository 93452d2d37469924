"""How a process logs: events on standard error, and errors to who wants to be told of them too."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import structlog
from structlog.typing import EventDict

Report: TypeAlias = Callable[[BaseException, str], str | None]
"""Tells of an error that was logged under this event; returns the id by which it is found there, or
None if it was not told.
"""


def nowhere(_error: BaseException, _event: str) -> str | None:
    """Tell nobody."""
    return None


def configure_logs(*, debug: bool, report: Report = nowhere) -> None:
    """Log to standard error, tracebacks without the values of variables.

    These may be telemetry, or keys.
    """
    structlog.configure(
        processors=[
            _Reported(report),
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.DEBUG if debug else logging.INFO
        ),
    )


@dataclass(frozen=True, slots=True)
class _Reported:
    """A processor that reports errors logged with their exception, and notes in the log what they
    are found by.
    """

    report: Report

    def __call__(self, _logger: object, method: str, event: EventDict) -> EventDict:
        error = _exception(event.get("exc_info"))
        reported = (
            self.report(error, str(event["event"]))
            if error is not None and method in ("error", "critical")
            else None
        )
        return event if reported is None else {**event, "reported_as": reported}


def _exception(given: Any) -> BaseException | None:
    """Return the exception that structlog was given.

    Itself, as a triple, or as the word that there is one.
    """
    found = (
        given[1]
        if isinstance(given, tuple)
        else given
        if isinstance(given, BaseException) or not given
        else sys.exc_info()[1]
    )
    return found if isinstance(found, BaseException) else None
