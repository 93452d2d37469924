"""docs/instrument.md: its Python program gives the result shown, and the others set the same."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agentguard.discovery.dialects.checking import check_file
from agentguard.discovery.dialects.loading import load_dialects
from agentguard.discovery.dialects.users import dialects_with
from agentguard.graph.model import Graph
from agentguard.ingest.payloads import ProtobufPayload
from agentguard.scan.pipeline import scan
from tests.discovery.scoped_spans import payload, span

PAGE = (Path(__file__).parents[2] / "docs" / "instrument.md").read_text()
LANGUAGES = ("python", "javascript", "java", "go")


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found.group(1)


@contextmanager
def receiver(into: list[bytes]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            zipped = self.headers.get("content-encoding") == "gzip"
            into.append(gzip.decompress(body) if zipped else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    program = tmp_path_factory.mktemp("page") / "app.py"
    program.write_text(block("python"))
    bodies: list[bytes] = []
    with receiver(bodies) as url:
        environment = os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": url}
        subprocess.run([sys.executable, program], env=environment, check=True, timeout=120)
    return scan([ProtobufPayload("page", body) for body in bodies], load_dialects()).graph


def test_the_program_gives_the_result_shown(graph: Graph) -> None:
    names = {c.id: c.name for c in graph.components}
    dependencies = {
        (
            names[d.source],
            names[d.target],
            d.type.value,
            d.calls,
            d.errors,
            d.input_tokens,
            d.output_tokens,
        )
        for d in graph.dependencies
    }
    workflows = {(w.name, w.runs, w.failed) for w in graph.workflows}

    assert {tuple(map(str, row)) for row in dependencies} == rows("Caller")
    assert {tuple(map(str, row)) for row in workflows} == rows("Workflow")


def rows(head: str) -> set[tuple[str, ...]]:
    _, _, below = (
        PAGE.partition(f"```\n{head} ")
        if f"```\n{head} " in PAGE
        else PAGE.partition(f"\n\n{head} ")
    )
    lines = below.partition("\n\n")[0].partition("\n```")[0].splitlines()[1:]
    return {tuple(line.split()) for line in lines}


def test_no_content_stands_on_the_spans(graph: Graph) -> None:
    assert "apologizes" not in repr(graph)


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_programs_set_the_same_attributes_to_the_same_values(language: str) -> None:
    def literals(of: str) -> set[str]:
        return set(re.findall(r'"([a-z][\w.\-]*)"', block(of)))

    wanted = {text for text in literals("python") if text.startswith("gen_ai.")}
    named = {"planner", "booker", "search_trains", "book_seat", "gpt-4o", "gpt-4o-mini"}
    operations = {"invoke_agent", "execute_tool", "chat", "error.type", "travel-desk"}

    assert {text for text in literals(language) if text.startswith("gen_ai.")} == wanted
    assert named | operations <= literals(language)
    assert "120" in block(language)
    assert "30" in block(language)


def test_the_table_of_attributes_names_those_of_the_programs() -> None:
    head = PAGE.partition("## Python")[0]

    for attribute in re.findall(r'"(gen_ai\.[\w.]+)"', block("python")):
        assert f"`{attribute}`" in head


def test_the_dialect_file_on_the_page_is_valid_and_does_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(block("yaml"))
    spans = [
        span(1, "x", desk__step="plan", desk__agent="planner"),
        span(2, "lookup trains", parent=1, desk__outcome="failed"),
        span(3, "ask", parent=1, desk__model="gpt-4o", desk__tokens__in=5),
        span(4, "other", parent=1),
    ]
    found = scan([payload("traveldesk.core", *spans)], dialects_with((path,))).graph

    assert check_file(block("yaml"), "page").faults == []
    assert {c.id: c.errors for c in found.components} == {
        "agent:planner": 0,
        "tool:desk/trains": 1,
        "model:gpt-4o": 0,
    }
    assert found.coverage.unattributed == {}
