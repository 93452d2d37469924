"""Compare answers of the API with a bare endpoint that sends the same bytes (`make bench`).

Both run under the same HTTP server. The bare endpoint does nothing but read the request and send
bytes that it holds; the API authenticates, finds the newest graph version and looks up its answer.
16 clients send one request after another on kept connections; the ratio is that of the medians, and
the median of three runs.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

COMMAND = [str(Path(sys.executable).with_name("agentguard")), "serve"]
BARE = [sys.executable, "-m", "benchmarks.bare"]
COMPONENTS = int(os.environ.get("BENCH_COMPONENTS", "1000"))
CLIENTS, REQUESTS, MOST = 16, 25, 5.0


@dataclass(frozen=True, slots=True)
class Question:
    """A request, as sent."""

    method: str
    path: str
    body: bytes = b""

    def head(self) -> bytes:
        return (
            f"{self.method} {self.path} HTTP/1.1\r\nhost: localhost\r\n"
            f"content-type: application/json\r\ncontent-length: {len(self.body)}\r\n\r\n"
        ).encode()


def traces(components: int) -> list[dict[str, object]]:
    """Return traces of so many components: half agents, each with a tool and the next agent."""
    agents = components // 2
    return [
        {
            "traceId": f"{number:032x}",
            "spans": [
                _span(number, 1, None, "invoke_agent", "agent", f"agent-{number % agents}"),
                _span(number, 2, 1, "execute_tool", "tool", f"tool-{number % agents}"),
                _span(number, 3, 1, "invoke_agent", "agent", f"agent-{(number + 1) % agents}"),
            ],
        }
        for number in range(agents * 3)
    ]


def _span(trace: int, number: int, parent: int | None, operation: str, kind: str, name: str):
    return {
        "spanId": f"{trace:08x}{number:08x}",
        **({} if parent is None else {"parentSpanId": f"{trace:08x}{parent:08x}"}),
        "serviceName": f"service-{trace % 20}",
        "attributes": {"gen_ai.operation.name": operation, f"gen_ai.{kind}.name": name},
        "duration": 1000 * number,
        "timestamp": 1_790_000_000_000_000 + trace * 1_000_000 + number,
        "status": {"code": "OK"},
    }


async def ask(port: int, question: Question) -> bytes:
    """Return the body of one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 26)
    body = await _exchange(reader, writer, question)
    writer.close()
    return body


async def latencies(port: int, question: Question) -> list[float]:
    """Return the seconds of each request of all clients, after one warming up."""

    async def client() -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 26)
        taken = []
        for _ in range(REQUESTS):
            began = time.perf_counter()
            await _exchange(reader, writer, question)
            taken.append(time.perf_counter() - began)
        writer.close()
        return taken[1:]

    return [each for of in await asyncio.gather(*[client() for _ in range(CLIENTS)]) for each in of]


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, question: Question
) -> bytes:
    writer.write(question.head() + question.body)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{question.path}: {head[:200]!r}")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert length is not None, head
    return await reader.readexactly(int(length[1]))


@contextmanager
def started(command: list[str], folder: Path, **variables: str) -> Iterator[int]:
    """Run a server that logs its URL, and give its port."""
    log = folder / f"{command[-1].rpartition('/')[2]}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **variables}
        )
    try:
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text())):
            if process.poll() is not None:
                raise RuntimeError(log.read_text())
            time.sleep(0.05)
        yield int(found[1])
    finally:
        process.terminate()
        process.wait(60)


def compared(components: int) -> dict[str, tuple[int, float, float]]:
    """Return the bytes of each answer, its median latency and that of the bare endpoint."""
    questions = {
        "GET /api/agents": Question("GET", "/api/agents"),
        "POST /api/simulate": Question("POST", "/api/simulate", b'{"agent_id":"agent-1"}'),
    }
    found = {}
    with tempfile.TemporaryDirectory(prefix="agentguard-bench-") as name:
        folder = Path(name)
        settings = {
            "AGENTGUARD_DATA_DIR": str(folder / "data"),
            "API_PORT": "0",
            "AGENTGUARD_OTLP_PORT": "0",
            "AGENTGUARD_OTLP_GRPC_PORT": "0",
        }
        with started(COMMAND, folder, **settings) as port:
            scan = Question("POST", "/api/scan", json.dumps(traces(components)).encode())
            asyncio.run(ask(port, scan))
            for title, question in questions.items():
                bytes_file = folder / "bytes"
                bytes_file.write_bytes(asyncio.run(ask(port, question)))
                with started([*BARE, str(bytes_file)], folder) as bare:
                    pairs = [
                        (
                            statistics.median(asyncio.run(latencies(port, question))),
                            statistics.median(asyncio.run(latencies(bare, question))),
                        )
                        for _ in range(3)
                    ]
                ours, plain = sorted(pairs, key=lambda pair: pair[0] / pair[1])[1]
                found[title] = (bytes_file.stat().st_size, ours, plain)
    return found


def main() -> int:
    found = compared(COMPONENTS)
    print(f"{COMPONENTS:,} components, {CLIENTS} clients; medians")
    print(f"{'':20} {'bytes':>10} {'ms':>8} {'bare ms':>8} {'ratio':>6}")
    for title, (size, ours, plain) in found.items():
        print(
            f"{title:20} {size:>10,} {ours * 1000:>8.2f} {plain * 1000:>8.2f} {ours / plain:>6.1f}"
        )
    return 0 if all(ours <= MOST * plain for _, ours, plain in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
