"""What is sent to Sentry holds types and places, and nothing that anybody sent, set or stored."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.adapters.sentry.events import EventFilter, errors
from agentguard.adapters.sentry.stack_frames import parse_frames
from agentguard.kernel.errors import NotFoundError

SECRET = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=6, max_size=20).map(
    lambda text: f"zq9{text}"
)
PLACES = (
    "request",
    "user",
    "extra",
    "contexts",
    "breadcrumbs",
    "exception",
    "message",
    "logentry",
    "tags",
    "modules",
    "server_name",
    "threads",
)
DISGUISES = (
    "{}",
    "postgresql://agentguard:{}@db/agentguard",
    "Authorization: Bearer {}",
    '  File "{}.py", line 3, in handle\n',
    '  File "/{}", line 1, in <module>\n',
    f'  File "{json.__file__}", line 3, in {{}}\n',
)


def outgoing(clock: Callable[[], float]) -> EventFilter:
    return EventFilter("agentguard@1", "test", clock)


def sent(event: dict[str, Any], hint: dict[str, Any]) -> dict[str, Any]:
    """Return what leaves of this one."""
    send: Callable[..., Any] = outgoing(time.time)
    made = send(event, hint)
    assert made is not None
    return dict(made)


def raised(error: BaseException, secret: str) -> BaseException:
    """Return the error as raised where a variable holds the secret."""
    with pytest.raises(type(error)) as caught:
        throw(error, secret)
    return caught.value


def throw(error: BaseException, secret: str) -> None:
    password = secret
    assert password
    raise error


def hint(error: BaseException, **more: object) -> dict[str, Any]:
    return {"exc_info": (type(error), error, error.__traceback__), **more}


@st.composite
def secretive_errors(draw, secret: str) -> BaseException:
    text = draw(st.sampled_from(DISGUISES)).format(secret)
    error = draw(
        st.sampled_from(
            [
                ValueError(text, secret),
                KeyError(secret),
                OSError(2, text, f"/var/{secret}"),
                OSError(secret, text),
                OSError([secret], text),
                sqlite3.OperationalError(text),
                NotFoundError(text),
                ExceptionGroup(text, [RuntimeError(secret), TypeError(text)]),
            ]
        )
    )
    error.add_note(text)
    for name in draw(
        st.sets(
            st.sampled_from(
                ["errno", "sqlite_errorname", "sqlstate", "code", "message", "detail", "status"]
            )
        )
    ):
        error.__dict__[name] = secret
    if draw(st.booleans()):
        error.__cause__ = raised(draw(secretive_errors(secret)), secret)
    elif draw(st.booleans()):
        error.__context__ = raised(draw(secretive_errors(secret)), secret)
    return raised(error, secret)


def documents(secret: str):
    leaf = st.sampled_from(
        [secret, f"//a:{secret}@b", {"secret": secret}, [secret], secret.encode(), None, 7]
    )
    branch = st.recursive(
        leaf,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(PLACES), inner, max_size=3)
        ),
    )
    return st.dictionaries(
        st.sampled_from(
            (*PLACES, "event_id", "timestamp", "level", "release", "environment", "sdk", secret)
        ),
        branch,
    )


@given(data=st.data(), secret=SECRET)
def test_no_planted_secret_survives(data, secret):
    error = data.draw(secretive_errors(secret))
    event = data.draw(documents(secret))
    more = data.draw(
        st.dictionaries(
            st.sampled_from(["attachments", "log_record", "log_event"]),
            st.sampled_from([f"{secret} was here", [secret]]),
        )
    )

    made = sent(event, hint(error, **more))

    assert made["exception"]["values"][-1]["type"] == type(error).__name__
    assert secret not in json.dumps(made)


@given(data=st.data(), secret=SECRET)
def test_what_is_no_error_is_not_sent(data, secret):
    event = data.draw(documents(secret))

    send = outgoing(time.time)
    assert send(event, {}) is None
    assert send(event, {"exc_info": (None, None, None)}) is None


@given(secret=SECRET, disguise=st.sampled_from(DISGUISES))
def test_a_message_that_looks_like_a_place_in_the_code_is_not_taken_for_one(secret, disguise):
    assert secret not in json.dumps(parse_frames(disguise.format(secret)))


def test_release_environment_and_place_are_told():
    error = raised(ValueError("x"), "y")

    made = sent(
        {"event_id": "0" * 32, "release": "other", "level": "debug"},
        hint(error, log_event="it_broke"),
    )

    assert (made["release"], made["environment"], made["event_id"], made["level"]) == (
        "agentguard@1",
        "test",
        "0" * 32,
        "error",
    )
    assert made["tags"]["log_event"] == "it_broke"
    frame = made["exception"]["values"][0]["stacktrace"]["frames"][-1]
    assert (frame["filename"], frame["function"]) == ("tests/sentry/test_events.py", "throw")
    assert set(frame) == {"filename", "function", "lineno", "in_app", "module"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(28, "No space left on device", "/x"), "ENOSPC"),
        (NotFoundError("There is no agent 'x'."), "not-found"),
        (ValueError("x"), ""),
    ],
)
def test_a_known_kind_is_told_in_place_of_the_message(error, code):
    assert errors(error)[0]["value"] == code


def test_sqlites_own_names_are_told(tmp_path):
    (tmp_path / "no.db").write_bytes(b"this is no database file at all " * 64)
    with (
        pytest.raises(sqlite3.DatabaseError) as caught,
        sqlite3.connect(tmp_path / "no.db") as connection,
    ):
        connection.execute("SELECT 1 FROM sqlite_master")
    connection.close()

    assert errors(caught.value)[0]["value"] == "SQLITE_NOTADB"


def test_causes_come_before_what_they_led_to_and_circles_end():
    first, second = ValueError(), KeyError()
    second.__cause__, first.__context__ = first, second

    found = errors(second)

    assert [each["type"] for each in found] == ["ValueError", "KeyError"]
    assert (found[0]["mechanism"]["source"], found[0]["mechanism"]["parent_id"]) == ("__cause__", 0)


def test_a_hidden_context_stays_hidden_and_members_of_groups_are_told():
    hidden = ValueError()
    hidden.__context__, hidden.__suppress_context__ = KeyError(), True

    found = errors(ExceptionGroup("x", [hidden, TypeError()]))

    assert [each["type"] for each in found] == ["TypeError", "ValueError", "ExceptionGroup"]
    assert found[-1]["mechanism"]["is_exception_group"]
    assert {each["mechanism"].get("source") for each in found} == {
        None,
        "exceptions[0]",
        "exceptions[1]",
    }


def test_a_very_deep_stack_keeps_both_ends():
    def deeper(n: int) -> None:
        deeper(n + 1)

    with pytest.raises(RecursionError) as caught:
        deeper(0)

    frames = errors(caught.value)[0]["stacktrace"]["frames"]
    assert len(frames) == 100
    assert frames[0]["function"] == "test_a_very_deep_stack_keeps_both_ends"
    assert frames[-1]["function"] == "deeper"


def test_an_error_in_a_worker_process_tells_its_place_there():
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(json.JSONDecodeError) as caught,
    ):
        pool.submit(json.loads, '{"zq9').result()

    there, here = errors(caught.value)
    assert [frame["function"] for frame in there["stacktrace"]["frames"]][-3:] == [
        "loads",
        "decode",
        "raw_decode",
    ]
    assert here["type"] == "JSONDecodeError"
    assert "zq9" not in json.dumps([there, here])


def test_the_same_error_leaves_once_a_minute_and_says_how_many_did_not():
    now = [0.0]
    send = outgoing(lambda: now[0])

    def tell(error: BaseException) -> str | None:
        made = send({}, hint(error))
        return None if made is None else made["tags"]["unsent_before"]

    assert [tell(raised(ValueError(str(n)), "x")) for n in range(4)] == ["0", None, None, None]
    assert tell(raised(KeyError(), "x")) == "0"
    now[0] = 60.0
    assert tell(raised(ValueError(), "x")) == "3"
