"""Events sent to Sentry.

Each is built from the types and stack frames of an error, so that it cannot contain user data or
settings.
"""

from __future__ import annotations

import errno
import platform
import re
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sentry_sdk import VERSION
from sentry_sdk.types import Event, Hint

from agentguard.adapters.sentry.stack_frames import parse_frames, stack_frames
from agentguard.kernel.errors import AgentGuardError

LOG_EVENT = "log_event"
"""Key of the log event's name in a hint."""

_ID = re.compile(r"[0-9a-f]{32}")
_LOG_EVENT = re.compile(r"[a-z][a-z0-9_]{2,60}")
_MAX_ERRORS = 20
_REPEAT_SECONDS = 60.0
_MAX_FINGERPRINTS = 256


@dataclass(slots=True)
class EventFilter:
    """Sentry's `before_send`, an allow-list: only the random id of the SDK's event is kept.

    Messages, variables, source lines, breadcrumbs, requests, users, tags, host and module lists
    are removed, and events without an exception are dropped. The same error with the same stack is
    sent at most once a minute, with the number of occurrences that were suppressed before it.
    """

    release: str
    environment: str
    clock: Callable[[], float]
    """Seconds since the Unix epoch."""
    _last: OrderedDict[int, tuple[float, int]] = field(default_factory=OrderedDict)

    def __call__(self, event: Event, hint: Hint) -> Any:
        error = (hint.get("exc_info") or (None, None))[1]
        if not isinstance(error, BaseException):
            return None
        values = errors(error)
        unsent = self._suppressed_since(hash(str(values)))
        if unsent is None:
            return None
        return _identity(event) | {
            "timestamp": self.clock(),
            "level": "error",
            "platform": "python",
            "release": self.release,
            "environment": self.environment,
            "sdk": {"name": "sentry.python", "version": VERSION, "packages": []},
            "contexts": {
                "runtime": {
                    "name": platform.python_implementation(),
                    "version": platform.python_version(),
                }
            },
            "exception": {"values": values},
            "tags": _tags(hint) | {"unsent_before": str(unsent)},
        }

    def _suppressed_since(self, fingerprint: int) -> int | None:
        """Return how many equal errors were suppressed since the last one sent.

        Return None if this one is suppressed too.
        """
        now = self.clock()
        sent, unsent = self._last.pop(fingerprint, (-_REPEAT_SECONDS, 0))
        quiet = now - sent < _REPEAT_SECONDS
        self._last[fingerprint] = (sent, unsent + 1) if quiet else (now, 0)
        while len(self._last) > _MAX_FINGERPRINTS:
            self._last.popitem(last=False)
        return None if quiet else unsent


def errors(error: BaseException) -> list[dict[str, Any]]:
    """Return the error and its causes in the form of Sentry's exception interface.

    The root cause comes first.
    """
    found = [_described(*each, number) for number, each in enumerate(_related_errors(error))]
    return found[::-1]


def _related_errors(error: BaseException) -> Iterator[tuple[BaseException, str, int | None]]:
    """Yield the error, its causes and the members of groups.

    Each comes with its relation to an earlier one, and that one's index.
    """
    waiting: list[tuple[BaseException, str, int | None]] = [(error, "", None)]
    seen: set[int] = set()
    while waiting and len(seen) < _MAX_ERRORS:
        each, relation, parent = waiting.pop(0)
        if id(each) in seen:
            continue
        waiting += _causes(each, len(seen))
        seen.add(id(each))
        yield each, relation, parent


def _causes(error: BaseException, number: int) -> Iterator[tuple[BaseException, str, int]]:
    if error.__cause__ is not None:
        yield error.__cause__, "__cause__", number
    elif error.__context__ is not None and not error.__suppress_context__:
        yield error.__context__, "__context__", number
    if isinstance(error, BaseExceptionGroup):
        yield from (
            (inner, f"exceptions[{index}]", number) for index, inner in enumerate(error.exceptions)
        )


def _described(
    error: BaseException, relation: str, parent: int | None, number: int
) -> dict[str, Any]:
    kind = type(error)
    mechanism: dict[str, Any] = {
        "type": "generic" if parent is None else "chained",
        "handled": True,
        "exception_id": number,
    }
    if parent is not None:
        mechanism |= {"parent_id": parent, "source": relation}
    if isinstance(error, BaseExceptionGroup):
        mechanism["is_exception_group"] = True
    frames = _remote_frames(error) or stack_frames(error.__traceback__)
    known = {
        "type": kind.__qualname__,
        "module": kind.__module__,
        "value": _code(error),
        "mechanism": mechanism,
    }
    return known | ({"stacktrace": {"frames": frames}} if frames else {})


def _remote_frames(error: BaseException) -> list[dict[str, Any]]:
    """Return the frames of a worker process's traceback, which arrives as text.

    `concurrent.futures` attaches it as the cause of the error.
    """
    return parse_frames(str(error)) if type(error).__qualname__ == "_RemoteTraceback" else []


def _code(error: BaseException) -> str:
    """Return a code from a closed set that says which error of its type it is, or "".

    It takes the place of the message, which may contain user data.
    """
    match error:
        case AgentGuardError():
            return type(error).code
        case sqlite3.Error():
            name = getattr(error, "sqlite_errorname", "")
            return name if name in vars(sqlite3) else ""
        case OSError():
            return errno.errorcode.get(error.errno, "") if isinstance(error.errno, int) else ""
    sqlstate = getattr(type(error), "sqlstate", "")  # asyncpg has one class per SQLSTATE
    return sqlstate if isinstance(sqlstate, str) else ""


def _identity(event: Event) -> dict[str, Any]:
    known = event.get("event_id")
    return {"event_id": known} if isinstance(known, str) and _ID.fullmatch(known) else {}


def _tags(hint: Hint) -> dict[str, str]:
    name = hint.get(LOG_EVENT)
    return {LOG_EVENT: name} if isinstance(name, str) and _LOG_EVENT.fullmatch(name) else {}
