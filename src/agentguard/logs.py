"""Logging to standard error, and reporting of logged errors."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import structlog
from structlog.typing import EventDict

Report: TypeAlias = Callable[[BaseException, str], str | None]
"""Reports an error that was logged under this event's name; returns the report's id, or None if the
error was not reported.
"""


def nowhere(_error: BaseException, _event: str) -> str | None:
    """Report nothing."""
    return None


def configure_logs(*, debug: bool, report: Report = nowhere) -> None:
    """Log to standard error.

    Tracebacks omit the values of variables, which may be telemetry or keys.
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
    """A processor that reports errors logged with their exception and logs the report's id."""

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
    """Return the exception given to structlog: itself, its `exc_info` triple, or true."""
    found = (
        given[1]
        if isinstance(given, tuple)
        else given
        if isinstance(given, BaseException) or not given
        else sys.exc_info()[1]
    )
    return found if isinstance(found, BaseException) else None
