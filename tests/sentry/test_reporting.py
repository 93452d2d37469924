"""The real SDK against an intake on loopback."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr

from agentguard.adapters.sentry.reporting import FLUSH_SECONDS, open_reports
from agentguard.bootstrap.reports import reporting
from agentguard.kernel.errors import PackageMissingError
from agentguard.logs import configure_logs
from agentguard.settings import Settings
from tests.sentry.intake import KEY, intake

SECRET = "zq9-open-sesame"


def reports(dsn: str):
    return open_reports(dsn, release="agentguard@1.2.3", environment="test")


def failing(text: str = SECRET) -> Exception:
    with pytest.raises(ValueError, match=text) as caught:
        fail_with(text)
    return caught.value


def fail_with(password: str) -> None:
    raise ValueError(password)


def test_a_logged_error_arrives_and_the_log_names_it(capsys):
    with intake() as there, reports(there.dsn) as report:
        configure_logs(debug=False, report=report)
        try:
            raise failing()
        except ValueError:
            structlog.get_logger().exception("it_broke", path=SECRET)

        (event,) = there.wait()
        assert event["event_id"] in capsys.readouterr().err
        assert (event["release"], event["environment"], event["tags"]["log_event"]) == (
            "agentguard@1.2.3",
            "test",
            "it_broke",
        )
        assert [each["type"] for each in event["exception"]["values"]] == ["ValueError"]


@pytest.mark.parametrize(
    "given", [True, failing(), (ValueError, failing(), None)], ids=["flag", "error", "triple"]
)
def test_every_way_to_log_an_error_is_understood(given):
    with intake() as there, reports(there.dsn) as report:
        configure_logs(debug=False, report=report)
        try:
            raise failing()
        except ValueError:
            structlog.get_logger().error("it_broke", exc_info=given)

        assert there.wait()[0]["exception"]["values"][0]["type"] == "ValueError"


def test_warnings_and_errors_without_an_exception_stay_in_the_log():
    with intake() as there:
        with reports(there.dsn) as report:
            configure_logs(debug=False, report=report)
            structlog.get_logger().error("only_words", exc_info=False)
            structlog.get_logger().warning("only_a_warning", exc_info=failing())
            logging.getLogger("library").error("words of %s", SECRET)

        assert there.events() == []


def test_what_libraries_log_with_an_error_arrives_without_their_words():
    with intake() as there, reports(there.dsn):
        logging.getLogger("library").error(
            "words of %s", SECRET, exc_info=failing(), extra={"token": SECRET}
        )

        there.wait()
        assert SECRET.encode() not in there.bodies[0]


def test_nothing_of_the_process_is_told(monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", SECRET)
    with intake() as there, reports(there.dsn) as report:
        report(failing(), "it_broke")

        text = json.dumps(there.wait())
    for told in (SECRET, KEY, socket.gethostname(), str(Path.cwd())):
        assert told not in text
    assert "ValueError" in text


def test_environment_variables_of_the_sdk_change_nothing(monkeypatch):
    for name, value in {
        "SENTRY_RELEASE": "other",
        "SENTRY_ENVIRONMENT": "other",
        "SENTRY_SPOTLIGHT": "1",
        "SENTRY_DEBUG": "1",
    }.items():
        monkeypatch.setenv(name, value)
    with intake() as there, reports(there.dsn) as report:
        report(failing(), "it_broke")

        (event,) = there.wait()
    assert (event["release"], event["environment"]) == ("agentguard@1.2.3", "test")


def test_a_full_or_refusing_intake_is_said_in_the_log(capsys):
    with intake(answer=403) as there:
        with reports(there.dsn) as report:
            configure_logs(debug=False, report=report)
            report(failing(), "it_broke")

        assert "error_not_sent_to_sentry" in capsys.readouterr().err


def test_an_intake_that_is_away_delays_nobody_and_raises_nothing():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with reports(f"http://{KEY}@127.0.0.1:{nobody.getsockname()[1]}/42") as report:
            assert report(failing(), "it_broke")


def test_an_intake_that_never_answers_is_waited_for_only_so_long():
    with intake(slow=True) as there:
        began = time.monotonic()
        with reports(there.dsn) as report:
            report(failing(), "it_broke")
            reported = time.monotonic()
            there.wait()
            assert not there.released.is_set()
            stopping = time.monotonic()
        stopped = time.monotonic()

        assert (
            not there.released.is_set()
        )  # so nothing of the above waited for an answer, which takes a minute
        assert reported - began < 30
        assert FLUSH_SECONDS <= stopped - stopping < 30


def test_errors_of_many_threads_all_arrive():
    def fail(number: int) -> None:
        source = f"def place_{number}():\n    raise ValueError\n"
        exec(compile(source, "generated", "exec"), found := {})  # noqa: S102 - a place per thread
        try:
            found[f"place_{number}"]()
        except ValueError as error:
            report(error, "it_broke")

    with intake() as there, reports(there.dsn) as report:
        threads = [threading.Thread(target=fail, args=(n,)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        places = {
            event["exception"]["values"][0]["stacktrace"]["frames"][-1]["function"]
            for event in there.wait(20)
        }
    assert places == {f"place_{n}" for n in range(20)}


def test_without_a_dsn_nobody_is_told(tmp_path):
    with reporting(Settings(data_dir=tmp_path)) as report:
        assert report(failing(), "it_broke") is None


def test_without_the_package_a_sentence_says_what_to_install(tmp_path, monkeypatch):
    for module in ("reporting", "events"):
        monkeypatch.delitem(sys.modules, f"agentguard.adapters.sentry.{module}")
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)

    with (
        pytest.raises(
            PackageMissingError,
            match=r"SENTRY_DSN is set, .* 'sentry_sdk' .* pip install 'agentguard\[services\]'",
        ),
        reporting(Settings(data_dir=tmp_path, sentry_dsn=SecretStr("http://key@127.0.0.1/1"))),
    ):
        pass
