"""Write schemas/openapi.json and the generated pages of docs/.

Settings, command line, API, dialects, database. `make docs` runs it; tests compare the pages with
the code.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from typer.core import TyperGroup
from typer.testing import CliRunner

from agentguard import account_settings, notification_settings, service_settings, settings
from agentguard.cli.main import app
from agentguard.environment import PLAIN_NAMES
from agentguard.service_settings import ServiceSettings
from agentguard.settings import Settings
from agentguard.web.app import new_api
from scripts.database import database_page
from scripts.dialects import dialects_page
from scripts.markdown import table

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
OPENAPI = ROOT / "schemas" / "openapi.json"
NOTE = "<!-- Written by scripts/reference.py (`make docs`): change the code, not this page. -->\n"


def docstrings(module: types.ModuleType, owner: str) -> dict[str, str]:
    """Return the docstrings of a class's attributes, on one line each."""
    body = next(
        n
        for n in ast.parse(inspect.getsource(module)).body
        if isinstance(n, ast.ClassDef) and n.name == owner
    ).body
    return {
        field.target.id: " ".join(note.value.value.split())
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
        case None | SecretStr() | ():
            return ""
        case tuple():
            return f"`{','.join(default)}`"
        case bool():
            return f"`{str(default).lower()}`"
        case int() if default % settings.MIB == 0 and default:
            return f"`{default}` ({default // settings.MIB} MiB)"
        case _:
            return f"`{default}`"


SETTINGS_HEAD = """# Settings

Settings are read from the environment and from `.env` in the working directory; the environment
takes precedence. Some settings have two names: set only one of them. Two names with different
values, and invalid values, are errors at startup.

Secrets and the contract's address can be read from a file: append `_FILE` to the setting's name
(`POSTGRES_PASSWORD_FILE=/run/secrets/db`). Line breaks at the end of the file are ignored.
Setting both a value and its file, and an empty or unreadable file, are errors at startup. This
works for:
"""


def settings_page() -> str:
    meanings = {
        **docstrings(settings, "Settings"),
        **docstrings(account_settings, "AccountSettings"),
        **docstrings(notification_settings, "NotificationSettings"),
        **docstrings(service_settings, "ServiceSettings"),
    }
    fields = Settings.model_fields
    rows = [
        (setting_names(name), setting_default(fields[name]), meanings[name])
        for name in sorted(fields, key=ServiceSettings.model_fields.__contains__)
    ]
    in_files = [f"- {setting_names(field)}" for field in settings.file_fields()]
    return "\n".join(
        [
            NOTE,
            SETTINGS_HEAD,
            *in_files,
            "",
            *table(("setting", "default", "meaning"), rows),
            "",
        ]
    )


def commands(group: TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command after `agentguard`, groups before their commands."""
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
                "Results go to standard output, messages go to standard error. Settings:"
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


def openapi_text() -> str:
    return json.dumps(new_api().openapi(), indent=2, ensure_ascii=False) + "\n"


API_HEAD = """# API

An overview; `agentguard serve` shows the complete reference at `/docs`. Requests and responses
are JSON; times are RFC 3339 with nanoseconds. A document has at least the members named here, and
`--format json` on the command line prints the same documents. Errors are problem documents (RFC
9457, `application/problem+json`) with a stable `code`, except on OTLP endpoints, which follow the
OTLP specification. If `AGENTGUARD_API_KEY` is set or a key or user exists, every request except
`/health*` needs credentials ([security.md](security.md)); otherwise only loopback requests are
accepted.

```
curl http://127.0.0.1:8000/api/simulate -H 'Content-Type: application/json' \\
  -d '{"agent_id": "checkout-agent"}'
curl http://127.0.0.1:8000/api/scan -F file=@traces.jsonl.gz
curl 'http://127.0.0.1:8000/api/graph/diff?a=live@-2h..-1h&b=live@-1h..&format=markdown'
```

[documents.md](documents.md) explains the numbers: shares of runs, percentiles, changes.
"""


def api_page() -> str:
    document = new_api().openapi()
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    rows = [
        (f"`{method.upper()} {path}`", operation["description"])
        for method, path, operation in operations
    ]
    sections = [
        line
        for operation in operations
        for line in operation_section(*operation, document["components"]["schemas"])
    ]
    return "\n".join([NOTE, API_HEAD, *table(("request", "what it does"), rows), "", *sections])


def operation_section(
    method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]
) -> list[str]:
    lines = [
        f"- `{p['name']}` ({p['in']}): {p.get('description', '')}".rstrip(": ")
        for p in operation.get("parameters", ())
    ]
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        lines.append(f"- body, `{kind}`{members(body['schema'], schemas)}")
    lines += [
        f"- {status}: {response_line(response, schemas)}"
        for status, response in operation["responses"].items()
        if status != "default"
    ]
    return [f"## {method.upper()} {path}", "", *lines, ""]


def response_line(response: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    contents = response.get("content", {})
    described = (members(body.get("schema", {}), schemas) for body in contents.values())
    document = "the document" if "application/json" in contents else _kinds(contents)
    text = response["description"].rstrip(".").replace("Successful Response", document)
    return text + next(filter(None, described), "")


def _kinds(contents: Iterable[str]) -> str:
    return " or ".join(f"`{kind}`" for kind in contents)


def members(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """Return the members of the document that a schema refers to."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return ": " + ", ".join(f"`{member}`" for member in schemas[name]["properties"]) if name else ""


PAGES: dict[str, Callable[[], str]] = {
    "api.md": api_page,
    "cli.md": cli_page,
    "database.md": lambda: NOTE + "\n" + database_page(),
    "dialects.md": lambda: NOTE + "\n" + dialects_page(),
    "settings.md": settings_page,
}


def main() -> None:
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())
    OPENAPI.write_text(openapi_text())


if __name__ == "__main__":
    main()
