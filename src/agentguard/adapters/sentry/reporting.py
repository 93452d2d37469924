"""Starting the Sentry SDK, telling it about errors, and stopping it within a bounded time."""

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

from agentguard.adapters.sentry.events import LOG_EVENT, Outgoing

log = structlog.get_logger(__name__)

FLUSH_SECONDS = 2.0


class Sender(HttpTransport):
    """The SDK's transport, which sends from a thread of its own.

    What it has to drop is said in the log.
    """

    TIMEOUT = 5

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(options)
        self.dropped: deque[str] = deque(maxlen=10)
        """Why the last events were dropped that were."""

    def on_dropped_event(self, reason: str) -> None:
        self.dropped.append(reason)
        log.warning("error_not_sent_to_sentry", reason=reason)


@contextmanager
def open_reports(
    dsn: str, *, release: str, environment: str
) -> Iterator[Callable[[BaseException, str], str | None]]:
    """Start the SDK and give what sends an error, under the name of its log event, and returns the
    id that Sentry has it by.

    Sending never waits for the intake and never raises. Errors that libraries log with their
    exception are sent too. When this is left, what waits gets two seconds to leave.
    """
    start(dsn, release=release, environment=environment)
    try:
        yield report
    finally:
        stop()


def start(dsn: str, *, release: str, environment: str) -> None:
    """Start the SDK with everything switched off by name that could carry more than errors,
    whatever the environment says.
    """
    sentry_sdk.init(
        dsn=dsn,
        release=release,
        environment=environment,
        server_name="",
        transport=Sender,
        before_send=Outgoing(release, environment, time.time),
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
    """Send what waits, for two seconds at most."""
    sentry_sdk.get_client().close(timeout=FLUSH_SECONDS)
    sentry_sdk.get_global_scope().set_client(None)
