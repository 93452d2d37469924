"""Systems that a seed makes up: agents in services, tools of their own or on shared servers,
optional steps, retries and fallbacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from random import Random

from demo.database import Database
from demo.faults import ALWAYS, Fault
from demo.scripts import Step, Task
from demo.system import Agent, Request, Service, System, Tool

_MODELS = (("gpt-4o",), ("gpt-4o-mini",), ("gpt-4o", "gpt-4o-mini"), ("gpt-4o", "gpt-4o"))
_OPTIONAL, _RETRIED, _REPLACED = 0.3, 0.2, 0.25
"""Shares of the steps that an agent can do without, repeats, or has another tool for."""
_MOST_PER_SERVICE = 3
_MOST_SERVERS, _SERVED = 3, 0.4
"""Servers of tools (Model Context Protocol) at most, and the share of the tools on them."""
_ENTRIES = 2
_SCHEMA = "CREATE TABLE notes (id INTEGER PRIMARY KEY, task TEXT NOT NULL);"


def topology(seed: int, agents: int = 10) -> System:
    """Return the system of this seed: a directed acyclic graph of so many agents."""
    random = Random(seed)
    made: list[Agent] = []
    for number in range(agents):
        made.append(_agent(random, number, made))
    services = (*_services(random, made), *_servers(random, made))
    tools = [tool for agent in made for tool in agent.tools]
    return System(
        name=f"topology-{seed}",
        services=services,
        faults=tuple(_fault(random, tool) for tool in tools),
        database=f"notes-{seed}",
        schema=_SCHEMA,
        default_runs=30,
        conventions="http,database,gen_ai_latest_experimental",
        requests=partial(_requests, tuple(services[0].entries)),
    )


def note(task: Task, database: Database) -> str:
    """Write the task down."""
    database.run("INSERT INTO notes (task) VALUES (?)", (str(task["id"]),))
    return f"noted {task['id']}"


def think(task: Task, _: Database) -> str:
    """Return something about the task."""
    return f"thought about {task['id']}"


def _agent(random: Random, number: int, earlier: Sequence[Agent]) -> Agent:
    """Return an agent that may call some of the earlier ones."""
    name = f"Agent{number:02}"
    colleagues = random.sample([a.name for a in earlier], min(len(earlier), random.randint(0, 3)))
    tools = [f"tool_{number:02}_{which}" for which in range(random.randint(1, 3))]
    return Agent(
        name,
        f"Does part {number} of the work.",
        models=random.choice(_MODELS),
        tools={tool: random.choice((note, think)) for tool in tools},
        colleagues=tuple(colleagues),
        script=tuple(_steps(random, tools, colleagues)),
    )


def _steps(random: Random, tools: Sequence[str], colleagues: Sequence[str]) -> list[Step]:
    spare = tools[-1] if len(tools) > 1 and random.random() < _REPLACED else None
    used = [tool for tool in tools if tool != spare]
    steps = [_step(random, name) for name in (*used, *colleagues)]
    if spare is not None:
        steps[0] = Step((used[0], spare))
    random.shuffle(steps)
    return steps


def _step(random: Random, name: str) -> Step:
    attempts = 2 if random.random() < _RETRIED else 1
    return Step((name,) * attempts, optional=random.random() < _OPTIONAL)


def _services(random: Random, agents: Sequence[Agent]) -> tuple[Service, ...]:
    """Return a gateway to the last agents, which call the others, and the services of all."""
    left, hosts = list(agents), list[Service]()
    random.shuffle(left)
    while left:
        part = left[: random.randint(1, _MOST_PER_SERVICE)]
        left = left[len(part) :]
        hosts.append(Service(f"service-{len(hosts)}", tuple(part)))
    entries = {f"/work-{n}": agent.name for n, agent in enumerate(agents[-_ENTRIES:])}
    return (Service("gateway", entries=entries), *hosts)


def _servers(random: Random, agents: Sequence[Agent]) -> tuple[Service, ...]:
    """Return servers that host some of the tools, each of several agents."""
    count = random.randint(1, _MOST_SERVERS)
    parts: list[dict[str, Tool]] = [{} for _ in range(count)]
    for agent in agents:
        for name, tool in agent.tools.items():
            if random.random() < _SERVED:
                random.choice(parts)[name] = tool
    return tuple(Service(f"tools-{n}", tools=part) for n, part in enumerate(parts) if part)


def _fault(random: Random, tool: str) -> Fault:
    share = random.choice((0.02, 0.05, 0.1, 0.2))
    return Fault(tool, share, attempts=random.choice((1, ALWAYS)))


def _requests(paths: Sequence[str], _seed: int, runs: int) -> Sequence[Request]:
    """Return so many requests for each path."""
    return [
        Request(path, {"id": f"{path.strip('/')}-{number}"})
        for path in paths
        for number in range(1, runs + 1)
    ]
