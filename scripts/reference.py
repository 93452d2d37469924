"""Write the generated pages of docs/: settings, command line, API. `make docs` runs it; tests hold the pages to the code."""

from __future__ import annotations

import ast
import inspect
import itertools
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from typer.core import TyperGroup
from typer.testing import CliRunner

from agentguard import settings
from agentguard.cli.main import app
from agentguard.settings import PLAIN_NAMES, Settings

DOCS = Path(__file__).parents[1] / "docs"
NOTE = "<!-- Written by scripts/reference.py (`make docs`): change the code, not this page. -->\n"

MEANINGS = {
    "api_host": "Address that `agentguard serve` listens on. Anything but loopback needs `AGENTGUARD_API_KEY`.",
    "api_port": "Port of the API and of OTLP/HTTP; a free one is taken, and named, where it is in use. 0 lets the system choose.",
    "debug": "More detail in the log.",
    "data_dir": "Folder of the database, the spans and the log.",
    "api_key": "What clients must send as `Authorization: Bearer …`. Unset: only loopback is let in.",
    "cors_origins": "Web origins whose pages may call the API, separated by commas.",
    "catalog": "YAML file of what people declared; see `agentguard catalog init`.",
    "trace_url": "Template with `{trace_id}` that turns evidence into links to your Jaeger or Tempo.",
    "severity_high": "The same for HIGH.",
    "severity_medium": "The same for MEDIUM; below it is LOW.",
}
"""Where the docstring beside the setting does not speak to the person who sets it."""


def docstrings(module: types.ModuleType, owner: str) -> dict[str, str]:
    """The strings that follow a class's attributes."""
    body = next(n for n in ast.parse(inspect.getsource(module)).body if isinstance(n, ast.ClassDef) and n.name == owner).body
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
    rows = [f"| {setting_names(name)} | {setting_default(info)} | {notes[name]} |" for name, info in Settings.model_fields.items()]
    return "\n".join(
        [
            NOTE,
            "# Settings",
            "",
            "Read from the environment and from `.env` in the working directory; the environment wins. Where a setting has two names, set",
            "one of them: two that disagree are an error at start, and so is a value that cannot be read.",
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
    outcome = CliRunner().invoke(app, [*words, "--help"], prog_name="agentguard", env=settings, terminal_width=100)
    return "\n".join(line.rstrip() for line in outcome.stdout.strip().splitlines())


def cli_page() -> str:
    group = typer.main.get_group(app)
    sections = [section for words in commands(group) for section in (f"## {' '.join(words)}", "", "```", help_text(words), "```", "")]
    return "\n".join(
        [
            NOTE,
            "# Command line",
            "",
            "JSON alone goes to standard output, messages go to standard error. Settings: [settings.md](settings.md).",
            "",
            "```",
            help_text(()),
            "```",
            "",
            *sections,
        ]
    )


PAGES: dict[str, Callable[[], str]] = {"cli.md": cli_page, "settings.md": settings_page}


def main() -> None:
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())


if __name__ == "__main__":
    main()
