"""Write the generated pages of docs/: settings, command line, API, dialects.

`make docs` runs it; tests hold the pages to the code.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import itertools
import tempfile
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from typer.core import TyperGroup
from typer.testing import CliRunner

from agentguard import settings
from agentguard.bootstrap.opening import open_app
from agentguard.cli.main import app
from agentguard.environment import PLAIN_NAMES
from agentguard.settings import Settings
from agentguard.web.app import create_app
from scripts.dialects import dialects_page

DOCS = Path(__file__).parents[1] / "docs"
NOTE = "<!-- Written by scripts/reference.py (`make docs`): change the code, not this page. -->\n"

MEANINGS = {
    "api_host": (
        "Address that `agentguard serve` listens on. Without `AGENTGUARD_API_KEY` it answers"
        " loopback only, whatever the address."
    ),
    "api_port": "Port of the API and of OTLP/HTTP. 0 lets the system choose.",
    "debug": "More detail in the log.",
    "data_dir": "Folder of the database, the spans and the log.",
    "api_key": (
        "What clients must send as `Authorization: Bearer …`. Unset: only loopback is let in."
    ),
    "cors_origins": "Web origins whose pages may call the API, separated by commas.",
    "catalog": (
        "Files of what people declared, separated by commas: catalogues, A2A cards, Backstage; see"
        " [catalog.md](catalog.md)."
    ),
    "ghost_days": "What is declared and was not seen for this many days is a ghost.",
    "trace_url": (
        "Template with `{trace_id}` that turns evidence into links to your Jaeger or Tempo."
    ),
    "postgres_port": "5432 unless set.",
    "postgres_db": "`agentguard` unless set.",
    "postgres_user": "`agentguard` unless set.",
    "postgres_password": "",
    "neo4j_user": "`neo4j` unless set.",
    "neo4j_password": "Unset: no authentication is tried.",
    "neo4j_database": "`neo4j` unless set.",
    "redis_port": "6379 unless set.",
    "redis_db": "0 unless set.",
    "redis_password": "",
    "severity_high": "The same for HIGH.",
    "severity_medium": "The same for MEDIUM; below it is LOW.",
}
"""Where the docstring beside the setting does not speak to the person who sets it."""


def docstrings(module: types.ModuleType, owner: str) -> dict[str, str]:
    """The strings that follow a class's attributes."""
    body = next(
        n
        for n in ast.parse(inspect.getsource(module)).body
        if isinstance(n, ast.ClassDef) and n.name == owner
    ).body
    return {
        field.target.id: note.value.value
        for field, note in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(note, ast.Expr)
        and isinstance(note.value, ast.Constant)
        and isinstance(note.value.value, str)
    }


def setting_names(field: str) -> str:
    name = f"AGENTGUARD_{field.upper()}"
    return f"`{name}`" + (f" or `{PLAIN_NAMES[name]}`" if name in PLAIN_NAMES else "")


def setting_default(info: FieldInfo) -> str:
    default = info.default
    match default:
        case None | SecretStr():
            return ""
        case tuple():
            return f"`{','.join(default)}`"
        case bool():
            return f"`{str(default).lower()}`"
        case int() if default % settings.MIB == 0 and default:
            return f"`{default}` ({default // settings.MIB} MiB)"
        case _:
            return f"`{default}`"


def settings_page() -> str:
    notes = {**docstrings(settings, "Settings"), **MEANINGS}
    rows = [
        f"| {setting_names(name)} | {setting_default(info)} | {notes[name]} |"
        for name, info in Settings.model_fields.items()
    ]
    return "\n".join(
        [
            NOTE,
            "# Settings",
            "",
            (
                "Read from the environment and from `.env` in the working directory; the"
                " environment wins. Where a setting has two names, set"
            ),
            (
                "one of them: two that disagree are an error at start, and so is a value that"
                " cannot be read."
            ),
            "",
            (
                "A secret may stand in a file that the same name with `_FILE` behind it names"
                " (`POSTGRES_PASSWORD_FILE=/run/secrets/db`);"
            ),
            (
                "line ends at its end do not count. A setting and its file together, or a file that"
                " is empty or unreadable, are an error"
            ),
            (
                "at start. These may:"
                f" {', '.join(setting_names(field) for field in settings.secret_fields())}."
            ),
            "",
            "| setting | default | meaning |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


def commands(group: TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command's words after `agentguard`, groups before their commands."""
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, TyperGroup):
            yield from commands(command, (*path, name))


def help_text(words: Iterable[str]) -> str:
    settings = {"COLUMNS": "100", "NO_COLOR": "1"}
    outcome = CliRunner().invoke(
        app, [*words, "--help"], prog_name="agentguard", env=settings, terminal_width=100
    )
    return "\n".join(line.rstrip() for line in outcome.stdout.strip().splitlines())


def cli_page() -> str:
    group = typer.main.get_group(app)
    sections = [
        section
        for words in commands(group)
        for section in (f"## {' '.join(words)}", "", "```", help_text(words), "```", "")
    ]
    return "\n".join(
        [
            NOTE,
            "# Command line",
            "",
            (
                "JSON alone goes to standard output, messages go to standard error. Settings:"
                " [settings.md](settings.md)."
            ),
            "",
            "```",
            help_text(()),
            "```",
            "",
            *sections,
        ]
    )


async def openapi() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        async with open_app(
            Settings(data_dir=Path(folder)), serving=True, in_processes=False
        ) as opened:
            return create_app(opened).openapi()


API_HEAD = """# API

In short; `agentguard serve` shows all of it at `/docs`. JSON in, JSON out; times are RFC 3339 with nanoseconds. Documents carry at least
the members named here, and the command line's `--format json` prints the same ones. Errors of everything but OTLP are problems
(RFC 9457, `application/problem+json`) with a stable `code`; OTLP answers as OTLP asks. With `AGENTGUARD_API_KEY` set, every request but
`/health*` needs `Authorization: Bearer …`; without it, only loopback is let in.

```
curl http://127.0.0.1:8000/api/simulate -H 'Content-Type: application/json' -d '{"agent_id": "checkout-agent"}'
curl http://127.0.0.1:8000/api/scan -F file=@traces.jsonl.gz
```
"""


def api_page() -> str:
    document = asyncio.run(openapi())
    operations = [
        (method, path, told)
        for path, methods in document["paths"].items()
        for method, told in methods.items()
    ]
    rows = [
        f"| `{method.upper()} {path}` | {' '.join(told['description'].split())} |"
        for method, path, told in operations
    ]
    sections = [
        line
        for operation in operations
        for line in operation_section(*operation, document["components"]["schemas"])
    ]
    return "\n".join([NOTE, API_HEAD, "| request | |", "| --- | --- |", *rows, "", *sections])


def operation_section(
    method: str, path: str, told: Mapping[str, Any], schemas: Mapping[str, Any]
) -> list[str]:
    lines = [
        f"- `{p['name']}` ({p['in']}): {p.get('description', '')}".rstrip(": ")
        for p in told.get("parameters", ())
    ]
    for kind, body in told.get("requestBody", {}).get("content", {}).items():
        lines.append(f"- body, `{kind}`{members(body['schema'], schemas)}")
    for status, answer in told["responses"].items():
        bodies = answer.get("content", {}).values()
        described = next(
            (text for body in bodies if (text := members(body.get("schema", {}), schemas))), ""
        )
        if status != "default":
            lines.append(
                f"- {status}:"
                f" {answer['description'].rstrip('.').replace('Successful Response', 'the answer')}{described}"
            )
    return [f"## {method.upper()} {path}", "", *lines, ""]


def members(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """The members of the document that a schema refers to."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return ": " + ", ".join(f"`{member}`" for member in schemas[name]["properties"]) if name else ""


PAGES: dict[str, Callable[[], str]] = {
    "api.md": api_page,
    "cli.md": cli_page,
    "dialects.md": lambda: NOTE + "\n" + dialects_page(),
    "settings.md": settings_page,
}


def main() -> None:
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())


if __name__ == "__main__":
    main()
