"""A synthetic fleet of agents and the spans of its runs.

A pure function of seed, run and position in the run.

Every run has the same 18 positions: a request reaches a gateway and goes over HTTP to an agent's
service; that agent calls its model, uses a tool backed by a database, and calls a second agent over
HTTP. Agents, tools, models and databases vary between runs. In one run of 50, a tool call fails and
is retried.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, lru_cache

AGENTS, TOOLS, MODELS, DATABASES = 40, 60, 6, 8
FIRST_START = 1_790_000_000_000_000_000  # ns
BETWEEN_RUNS = 20_000_000  # ns

INTERNAL, SERVER, CLIENT = 1, 2, 3

Value = str | int | float


@dataclass(frozen=True, slots=True)
class Form:
    """The part that many spans share."""

    service: str
    scope: str
    name: str
    kind: int
    attributes: tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One span: its form and its own values. `parent_id` is empty for a root span."""

    form: Form
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    start: int
    end: int
    attributes: tuple[tuple[str, Value], ...]
    failed: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """A span's position in its run: its parent, and its begin and end in ‰ of the run."""

    parent: int
    role: str
    begin: int
    end: int


_PLACES = (
    _Place(-1, "enter", 0, 1000),
    _Place(0, "call_first", 10, 990),
    _Place(1, "serve_first", 15, 985),
    _Place(2, "first", 20, 980),
    _Place(3, "chat_first", 30, 150),
    _Place(3, "tool_first", 160, 250),
    _Place(5, "database_first", 170, 240),
    _Place(3, "tool_again", 255, 330),
    _Place(7, "database_again", 260, 325),
    _Place(3, "chat_first", 340, 440),
    _Place(3, "call_second", 450, 870),
    _Place(10, "serve_second", 455, 865),
    _Place(11, "second", 460, 860),
    _Place(12, "chat_second", 470, 600),
    _Place(12, "tool_second", 610, 700),
    _Place(14, "database_second", 620, 690),
    _Place(12, "chat_second", 710, 850),
    _Place(3, "chat_first", 880, 970),
)
SPANS_PER_RUN = len(_PLACES)


@dataclass(frozen=True, slots=True)
class _Run:
    """The random choices of a run."""

    trace_id: bytes
    ids: bytes
    first: int
    second: int
    tool: int
    start: int
    length: int
    fails: bool


def occurrence(seed: int, run: int, place: int) -> Occurrence:
    """Return the span at this position (0 to 17) of this run."""
    drawn = _run(seed, run)
    here = _PLACES[place]
    failed = drawn.fails and here.role in ("tool_first", "database_first")
    return Occurrence(
        form=_form(here.role, drawn.first, drawn.second, drawn.tool),
        trace_id=drawn.trace_id,
        span_id=_span_id(drawn, place),
        parent_id=_span_id(drawn, here.parent) if here.parent >= 0 else b"",
        start=drawn.start + drawn.length * here.begin // 1000,
        end=drawn.start + drawn.length * here.end // 1000,
        attributes=_own_attributes(here.role, drawn, place)
        + ((("error.type", "TimeoutError"),) if failed else ()),
        failed=failed,
    )


def _span_id(drawn: _Run, place: int) -> bytes:
    return drawn.ids[:7] + bytes((place + 1,))


@lru_cache(maxsize=1 << 10)
def _run(seed: int, run: int) -> _Run:
    digest = hashlib.blake2b(
        run.to_bytes(8, "big"), digest_size=48, key=seed.to_bytes(8, "big")
    ).digest()
    draws = [int.from_bytes(digest[at : at + 4], "big") for at in range(24, 44, 4)]
    first = draws[0] % AGENTS
    return _Run(
        trace_id=digest[:16],
        ids=digest[16:23],
        first=first,
        second=(first + 1 + draws[1] % 3) % AGENTS,
        tool=(3 * first + draws[2] % 3) % TOOLS,
        start=FIRST_START + run * BETWEEN_RUNS,
        length=500_000_000 + draws[3] % 4_000_000_000,
        fails=draws[4] % 50 == 0,
    )


def _own_attributes(role: str, drawn: _Run, place: int) -> tuple[tuple[str, Value], ...]:
    conversation = ("gen_ai.conversation.id", drawn.ids.hex())
    match role.partition("_")[0]:
        case "chat":
            tokens = drawn.length // 1_000_000 + place
            return (
                conversation,
                ("gen_ai.usage.input_tokens", tokens),
                ("gen_ai.usage.output_tokens", tokens // 4),
            )
        case "tool":
            return (conversation, ("gen_ai.tool.call.id", f"call_{drawn.ids.hex()}{place:02}"))
        case "database":
            return (("db.response.returned_rows", drawn.length % 97),)
        case _:
            return (conversation,)


@cache
def _form(role: str, first: int, second: int, tool: int) -> Form:
    """Return the form of spans with this role; there are about 5,000 forms."""
    verb, _, who = role.partition("_")
    agent = second if "second" in (verb, who) else first
    table = (tool + 7) % TOOLS if agent != first else tool
    match verb:
        case "enter":
            return _http("gateway", SERVER, "/v1/tasks", "gateway")
        case "call":
            return _http(
                "gateway" if agent == first else _service(first),
                CLIENT,
                f"/runs/{_agent(agent)}",
                _service(agent),
            )
        case "serve":
            return _http(_service(agent), SERVER, f"/runs/{_agent(agent)}", _service(agent))
        case "first" | "second":
            return _invocation(agent)
        case _:
            return {"chat": _chat, "tool": _tool, "database": _database}[verb](agent, table)


_FIELDS = ("pricing", "support", "billing", "search", "risk", "routing", "review", "planning")


def _agent(n: int) -> str:
    return f"{_FIELDS[n % 8]}-agent-{n:02}"


def _service(n: int) -> str:
    return f"svc-{n:02}"


def _model(agent: int) -> str:
    return f"model-{agent % MODELS}-mini"


def _http(service: str, kind: int, path: str, host: str) -> Form:
    attributes: tuple[tuple[str, Value], ...] = (
        ("http.request.method", "POST"),
        (
            "http.route" if kind == SERVER else "url.full",
            path if kind == SERVER else f"http://{host}:8080{path}",
        ),
        ("http.response.status_code", 200),
        ("url.scheme", "http"),
        ("url.path", path),
        ("server.address", host),
        ("server.port", 8080),
        ("network.protocol.version", "1.1"),
        ("network.peer.address", "10.0.12.34"),
        ("user_agent.original", "httpx/0.28"),
        ("thread.id", 140_213),
    )
    return Form(
        service,
        "instrumentation.http",
        f"POST {path}" if kind == SERVER else "POST",
        kind,
        attributes,
    )


def _invocation(agent: int) -> Form:
    name = _agent(agent)
    attributes: tuple[tuple[str, Value], ...] = (
        ("gen_ai.operation.name", "invoke_agent"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.agent.name", name),
        ("gen_ai.agent.id", f"{name}-7"),
        ("gen_ai.request.model", _model(agent)),
        ("gen_ai.output.type", "text"),
        ("gen_ai.request.temperature", 0.2),
        ("app.tier", "gold"),
        ("app.steps", 9),
        ("thread.id", 140_213),
        ("thread.name", "MainThread"),
    )
    return Form(_service(agent), "agents.runtime", f"invoke_agent {name}", INTERNAL, attributes)


def _chat(agent: int, _table: int) -> Form:
    model = _model(agent)
    attributes: tuple[tuple[str, Value], ...] = (
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", model),
        ("gen_ai.response.model", f"{model}-2026-03-01"),
        ("gen_ai.request.temperature", 0.2),
        ("gen_ai.request.max_tokens", 4096),
        ("gen_ai.response.finish_reasons", "stop"),
        ("server.address", "llm.example.com"),
        ("server.port", 443),
    )
    return Form(_service(agent), "instrumentation.openai", f"chat {model}", CLIENT, attributes)


def _tool(agent: int, table: int) -> Form:
    name = f"lookup_{table:02}"
    attributes: tuple[tuple[str, Value], ...] = (
        ("gen_ai.operation.name", "execute_tool"),
        ("gen_ai.tool.name", name),
        ("gen_ai.tool.type", "function"),
        ("gen_ai.agent.name", _agent(agent)),
        ("code.function.name", f"tools.{name}"),
        ("code.line.number", 41),
        ("app.tier", "gold"),
        ("app.cache", "miss"),
        ("thread.id", 140_213),
        ("thread.name", "MainThread"),
    )
    return Form(_service(agent), "agents.runtime", f"execute_tool {name}", INTERNAL, attributes)


def _database(agent: int, table: int) -> Form:
    attributes: tuple[tuple[str, Value], ...] = (
        ("db.system.name", "postgresql"),
        ("db.namespace", f"records_{table % DATABASES}"),
        ("db.operation.name", "SELECT"),
        ("db.collection.name", f"table_{table:02}"),
        ("db.query.text", "SELECT state FROM records WHERE id = $1"),
        ("server.address", f"postgres-{table % DATABASES}"),
        ("server.port", 5432),
        ("network.transport", "tcp"),
        ("network.peer.address", "10.0.12.99"),
        ("thread.id", 140_213),
        ("thread.name", "MainThread"),
    )
    return Form(
        _service(agent), "instrumentation.asyncpg", f"SELECT table_{table:02}", CLIENT, attributes
    )
