"""Published logs: at a URL, in a folder, and what a monitor remembers of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from agentguard.adapters.files.published_log import (
    FolderNotWritableError,
    FolderUnusableError,
    LogFolder,
    write_published,
)
from agentguard.adapters.files.watch_state import StateInUseError, WatchState, opened_state
from agentguard.adapters.http.log_source import BadLogURLError, LogUnreachableError, URLSource
from agentguard.audit.errors import AuditFormatError, HashMissingError
from agentguard.audit.monitor import MOST_BYTES
from agentguard.audit.watching import Remembered
from tests.audit.keys import KEY
from tests.audit.logs import Log

Answer = Callable[[BaseHTTPRequestHandler], None]
SEEN = Log.of(3).signed().note.encode()


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    """Serve GET by `answer`; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        thread = Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def respond(status: int, body: bytes = b"", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def test_a_file_is_read_below_the_prefix_with_the_key():
    asked = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append((handler.path, handler.headers["Authorization"]))
        respond(200, b"content")(handler)

    with server(answer) as url:
        for prefix, key in ((f"{url}/log", None), (f"{url}/log/", "sesame")):
            assert URLSource(prefix, key).read("tile/0/000") == b"content"

    assert asked == [("/log/tile/0/000", None), ("/log/tile/0/000", "Bearer sesame")]


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "give its API key"), (403, "give its API key"), (500, "status 500"), (429, "429")],
)
def test_a_refusal_is_no_missing_file(status, words):
    with server(respond(status)) as url, pytest.raises(LogUnreachableError, match=words):
        URLSource(url).read("checkpoint")


def test_a_missing_file_is_said():
    with server(respond(404)) as url, pytest.raises(HashMissingError, match="'tile/0/000'"):
        URLSource(url).read("tile/0/000")


def test_no_redirect_leads_to_another_server():
    reached = []

    def elsewhere(handler: BaseHTTPRequestHandler) -> None:
        reached.append(handler.headers["Authorization"])
        respond(200, b"content")(handler)

    with (
        server(elsewhere) as other,
        server(respond(302, Location=f"{other}/checkpoint")) as url,
        pytest.raises(LogUnreachableError, match="redirects to another server"),
    ):
        URLSource(url, "sesame").read("checkpoint")

    assert reached == []


def test_a_redirect_within_the_server_is_followed():
    def answer(handler: BaseHTTPRequestHandler) -> None:
        moved = handler.path != "/new/checkpoint"
        (respond(301, Location="/new/checkpoint") if moved else respond(200, b"x"))(handler)

    with server(answer) as url:
        assert URLSource(f"{url}/old").read("checkpoint") == b"x"


def test_too_large_a_file_is_not_read_to_its_end():
    with (
        server(respond(200, bytes(MOST_BYTES + 1))) as url,
        pytest.raises(LogUnreachableError, match="more than 1,048,576 bytes"),
    ):
        URLSource(url).read("checkpoint")


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        try:
            handler.wfile.write(b"x")
        except OSError:
            return
        time.sleep(0.05)


def silent(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1)


@pytest.mark.parametrize("answer", [drip, silent])
def test_a_slow_server_is_not_waited_for(answer):
    with server(answer) as url:
        began = time.monotonic()
        with pytest.raises(LogUnreachableError, match="does not answer in time"):
            URLSource(url, seconds=0.3).read("checkpoint")

        assert time.monotonic() - began < 3


def test_no_server_is_said_plainly():
    with server(respond(200)) as url:
        gone = url

    with pytest.raises(LogUnreachableError, match=r"cannot be read: Connection refused"):
        URLSource(gone).read("checkpoint")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://host/log",
        "http:///log",
        "https://user:secret@host/log",
        "https://host/log?key=secret",
        "http://[::1/log",
        "http://host:port/log",
    ],
)
def test_other_urls_are_refused_without_being_shown(url):
    with pytest.raises(BadLogURLError) as refused:
        URLSource(url)

    assert "secret" not in str(refused.value)


def test_a_key_that_cannot_be_sent_is_not_shown():
    with pytest.raises(BadLogURLError, match="not printable") as refused:
        URLSource("http://host/log", "secret\r\nHost: other")

    assert "secret" not in str(refused.value)


def test_a_folder_is_read_and_written(tmp_path):
    folder = LogFolder(tmp_path / "new")
    folder.write("tile/0/000.p/1", b"one")
    folder.write("tile/0/000.p/1", b"two")

    assert folder.read("tile/0/000.p/1") == b"two"
    assert [p.name for p in (tmp_path / "new" / "tile" / "0" / "000.p").iterdir()] == ["1"]
    with pytest.raises(HashMissingError):
        folder.read("checkpoint")
    with pytest.raises(FolderUnusableError, match="directory"):
        folder.read("tile")
    (tmp_path / "new" / "checkpoint").write_bytes(bytes(MOST_BYTES + 1))
    with pytest.raises(FolderUnusableError, match="more than"):
        folder.read("checkpoint")


def test_what_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(FolderNotWritableError, match="file"):
        write_published(tmp_path / "file" / "checkpoint", b"x")


def test_a_state_is_read_back_and_evidence_is_never_replaced(tmp_path):
    with opened_state(tmp_path / "deep" / "seen.json") as state:
        assert state.load() is None
        state.save(Remembered(SEEN, KEY.verifier))
        assert state.load() == Remembered(SEEN, KEY.verifier)
        kept = Path(state.keep("shown", SEEN))
        kept.chmod(0o400)
        assert Path(state.keep("shown", SEEN)) == kept

    assert kept.read_bytes() == SEEN


def test_one_monitor_at_a_time_uses_a_state(tmp_path):
    path = tmp_path / "seen.json"
    with (
        opened_state(path),
        pytest.raises(StateInUseError, match="Another monitor"),
        opened_state(path),
    ):
        raise AssertionError("two monitors have one state")

    with opened_state(path) as state:
        assert state.load() is None


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"schema":1}', b'{"schema":2,"checkpoint":"x","key":"y"}', b"\xff"]
)
def test_a_damaged_state_is_said(tmp_path, content):
    (tmp_path / "seen.json").write_bytes(content)

    with pytest.raises(AuditFormatError, match="state of the monitor"):
        WatchState(tmp_path / "seen.json").load()
