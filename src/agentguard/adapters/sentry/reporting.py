"""Starting the Sentry SDK, reporting errors, and stopping it within a bounded time."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sentry_sdk
import structlog
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.transport import HttpTransport

from agentguard.adapters.sentry.events import LOG_EVENT, EventFilter

log = structlog.get_logger(__name__)

FLUSH_SECONDS = 2.0


class Sender(HttpTransport):
    """The SDK's transport, which sends in a background thread and logs dropped events."""

    TIMEOUT = 5

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(options)
        self.dropped: deque[str] = deque(maxlen=10)
        """Reasons of the most recently dropped events."""

    def on_dropped_event(self, reason: str) -> None:
        self.dropped.append(reason)
        log.warning("error_not_sent_to_sentry", reason=reason)


@contextmanager
def open_reports(
    dsn: str, *, release: str, environment: str
) -> Iterator[Callable[[BaseException, str], str | None]]:
    """Start the SDK and yield a function that reports an error under its log event's name.

    The function returns the event's id in Sentry; it never blocks and never raises. Errors that
    libraries log with their exception are reported too. On exit, pending events are flushed for at
    most FLUSH_SECONDS.
    """
    start(dsn, release=release, environment=environment)
    try:
        yield report
    finally:
        stop()


def start(dsn: str, *, release: str, environment: str) -> None:
    """Start the SDK with every option off that could send more than errors.

    The options are explicit, so that SENTRY_* environment variables cannot enable them.
    """
    sentry_sdk.init(
        dsn=dsn,
        release=release,
        environment=environment,
        server_name="",
        transport=Sender,
        before_send=EventFilter(release, environment, time.time),
        before_send_transaction=lambda _event, _hint: None,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR, sentry_logs_level=None)
        ],
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        auto_session_tracking=False,
        send_client_reports=False,
        enable_backpressure_handling=False,
        propagate_traces=False,
        spotlight=False,
        debug=False,
        shutdown_timeout=FLUSH_SECONDS,
    )


def report(error: BaseException, event: str) -> str | None:
    return sentry_sdk.capture_event(
        {"level": "error"},
        {"exc_info": (type(error), error, error.__traceback__), LOG_EVENT: event},
    )


def stop() -> None:
    """Flush pending events for at most FLUSH_SECONDS."""
    sentry_sdk.get_client().close(timeout=FLUSH_SECONDS)
    sentry_sdk.get_global_scope().set_client(None)
